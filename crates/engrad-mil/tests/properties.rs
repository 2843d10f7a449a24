//! Laws over random input: text is a faithful form of every program, and no text or blob, however damaged, panics.

use engrad_mil::blob::{BlobFile, BlobWriter, externalize, inline};
use engrad_mil::{
    Builder, Constant, ConstantData, DType, Literal, Program, TensorType, ValueId, parse, verify,
};
use half::f16;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// One step of a random program: which operation, on which of the values so far.
type Step = (u8, usize, usize);

/// Adds operations as the steps say, as far as the op table accepts them.
fn build(b: &mut Builder, steps: &[Step]) -> Vec<ValueId> {
    let mut values = vec![b.input("x", TensorType::new(DType::Fp16, [1, 4, 1, 8]))];
    values.push(b.input("w", TensorType::new(DType::Fp32, [4, 4])));
    for &(op, first, second) in steps {
        let (x, y) = (values[first % values.len()], values[second % values.len()]);
        let rank = b.ty(x).rank() as i32;
        let name = format!("v{op}");
        let made = match op % 14 {
            0 => b.add(&name, x, y),
            1 => b.mul(&name, x, y),
            2 => b.exp(&name, x),
            3 => b.rsqrt(&name, x, 1e-5),
            4 => b.matmul(&name, (x, first % 2 == 0), (y, second % 2 == 0)),
            // Attributes of a scalar would be empty lists, which the language has no type for.
            5 | 10 if rank == 0 => continue,
            5 => b.transpose(&name, x, &(0..rank).rev().collect::<Vec<_>>()),
            6 => b.softmax(&name, x, -1),
            7 => b.concat(&name, &[x, y, x], (second % 5) as i32 - 1),
            8 => b.cast(&name, x, if second % 2 == 0 { DType::Fp16 } else { DType::Fp32 }),
            9 => b.reduce_sum(&name, x, &[(second % 4) as i32]),
            10 => b.slice_axis(&name, x, second % 4, 0, 1),
            11 => b.reshape(&name, x, &[b.ty(x).elements()]),
            12 => b.scalar(&name, DType::Fp16, second as f32 / 7.0),
            _ => b.identity(&name, x),
        };
        values.extend(made);
    }
    values
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<Step>(), 0..30)
}

fn finished(steps: &[Step]) -> Program {
    let mut b = Builder::new("main");
    let values = build(&mut b, steps);
    let outputs: Vec<_> =
        values.into_iter().rev().filter(|&v| b.function().constant(v).is_none()).take(3).collect();
    Program::new(b.finish(&outputs).unwrap())
}

/// A constant of any type, any bits and up to three dimensions.
fn constant() -> impl Strategy<Value = Constant> {
    let shape = prop::collection::vec(1usize..4, 0..4);
    (shape, 0u8..9, prop::collection::vec(any::<u64>(), 27), prop::collection::vec(".*", 27)).prop_map(
        |(shape, dtype, bits, texts)| {
            let n = shape.iter().product();
            let bits = &bits[..n];
            let (dtype, data) = match dtype {
                0 => (DType::Bool, ConstantData::Bool(bits.iter().map(|b| b % 2 == 0).collect())),
                1 => (DType::Int8, ConstantData::Int8(bits.iter().map(|&b| b as i8).collect())),
                2 => (DType::UInt8, ConstantData::UInt8(bits.iter().map(|&b| b as u8).collect())),
                3 => (DType::Int32, ConstantData::Int32(bits.iter().map(|&b| b as i32).collect())),
                4 => (DType::UInt64, ConstantData::UInt64(bits.to_vec())),
                5 => (
                    DType::Fp16,
                    ConstantData::Fp16(bits.iter().map(|&b| f16::from_bits(b as u16)).collect()),
                ),
                6 => (
                    DType::Fp32,
                    ConstantData::Fp32(bits.iter().map(|&b| f32::from_bits(b as u32)).collect()),
                ),
                7 => (DType::String, ConstantData::String(texts[..n].to_vec())),
                _ => (DType::Fp16, ConstantData::Blob { path: texts[0].clone(), offset: bits[0] }),
            };
            Constant { ty: TensorType::new(dtype, shape), data }
        },
    )
}

/// An edit of a text or file: where, how much is removed, what is put in.
type Edit = (usize, usize, Vec<u8>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let likely = prop::sample::select(b"(){}[]<>,=;\"\\/-0123456789.xpinfa_ \n\xff".to_vec());
    let inserted = prop::collection::vec(prop_oneof![4 => likely, 1 => any::<u8>()], 0..4);
    prop::collection::vec((any::<usize>(), 0usize..6, inserted), 1..5)
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for (at, removed, inserted) in edits {
        let start = at % (bytes.len() + 1);
        let end = (start + removed).min(bytes.len());
        bytes.splice(start..end, inserted.iter().copied());
    }
    bytes
}

/// The same cases on every machine; `PROPTEST_RNG_SEED` and `PROPTEST_CASES` do not apply.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn built_programs_verify_and_come_back_from_text(steps in steps()) {
        let program = finished(&steps);
        prop_assert_eq!(verify(&program), Ok(()));
        let text = program.to_text();
        let parsed = parse(&text);
        prop_assert_eq!(parsed.as_ref(), Ok(&program));
        prop_assert_eq!(parsed.unwrap().to_text(), text);
    }

    #[test]
    fn constants_of_any_bits_come_back_from_text(
        constants in prop::collection::vec(constant(), 1..4),
        info in prop::collection::vec((".*", ".*"), 0..3),
        minor in 0u32..6,
    ) {
        let mut b = Builder::new("main");
        for constant in constants {
            b.constant("c", constant);
        }
        let mut program = Program::new(b.function().clone());
        let info = info.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        program.version = (1, minor);
        program.attributes = vec![("buildInfo".into(), Literal::texts(info))];
        prop_assert_eq!(parse(&program.to_text()), Ok(program));
    }

    #[test]
    fn damaged_text_is_refused_or_read_and_never_panics(steps in steps(), edits in edits()) {
        let bytes = edited(finished(&steps).to_text().into_bytes(), &edits);
        match parse(&String::from_utf8_lossy(&bytes)) {
            Ok(program) => {
                // What is read obeys the law too, valid or not.
                let _ = verify(&program);
                prop_assert_eq!(parse(&program.to_text()), Ok(program));
            }
            Err(error) => prop_assert!(!error.to_string().contains('\n')),
        }
    }

    #[test]
    fn damaged_blobs_are_refused_or_read_and_never_panic(
        sizes in prop::collection::vec(1usize..100, 0..5),
        edits in edits(),
        raw in prop::collection::vec((0usize..300, any::<u64>()), 0..3),
    ) {
        let mut writer = BlobWriter::new();
        for size in &sizes {
            writer.add(DType::UInt8, *size, &vec![7; *size]).unwrap();
        }
        let mut bytes = writer.finish();
        for (at, value) in raw {
            if let Some(place) = bytes.get_mut(at..at + 8) {
                place.copy_from_slice(&value.to_le_bytes());
            }
        }
        for bytes in [bytes.clone(), edited(bytes, &edits)] {
            if let Ok(file) = BlobFile::parse(&bytes) {
                for offset in file.offsets().chain([0, 1, u64::MAX]) {
                    let _ = file.get(offset);
                    let _ = engrad_mil::blob::record_at(&bytes, offset);
                }
            }
        }
    }

    #[test]
    fn moving_constants_out_and_back_changes_nothing(steps in steps(), min_elements in 0usize..3) {
        let program = finished(&steps);
        let (moved, blob) = externalize(&program, "w.bin", min_elements).unwrap();
        prop_assert_eq!(parse(&moved.to_text()), Ok(moved.clone()));
        prop_assert_eq!(inline(&moved, |_| Some(&blob[..])), Ok(program));
    }
}
