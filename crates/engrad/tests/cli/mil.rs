//! `engrad mil` from outside: what it says, exit codes, one-line errors.

use std::path::Path;

use engrad_mil::parse;

use crate::place::Place;

const PROGRAM: &str = "program(1.3)
{
    // Twice the input, and its sum.
    func main<ios18>(tensor<fp32, [2, ?]> x) {
            fp32 two = const()[val = fp32(2)];
            tensor<fp32, [2, ?]> y = mul(x = x, y = two);
            tensor<fp32, [2]> s = reduce_sum(axes = tensor<int32, [1]>([1]), keep_dims = bool(false), x = y);
        } -> (y, s);
}
";

fn place() -> Place {
    let place = Place::new();
    place.write("p.mil", PROGRAM);
    place.write("bad.mil", PROGRAM.replace("y = two", "y = three").replace("fp32 two", "fp33 two"));
    place.write("wrong.mil", PROGRAM.replace("tensor<fp32, [2]> s", "tensor<fp32, [3]> s"));
    place
}

/// An array as NumPy writes it: version 1, little-endian f4 or i4.
fn npy(element: &str, shape: &str, fortran: bool, words: &[[u8; 4]]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{element}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(words.iter().flatten());
    bytes
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn a_check_that_says_no_exits_with_1_and_shows_every_place() {
    let place = place();
    assert!(place.run("mil check p.mil").ok().stdout.ends_with("p.mil: fine\n"));
    let outcome = place.run("mil check bad.mil");
    assert_eq!(outcome.code, Some(1));
    for part in
        ["error[P0003]: unknown element type `fp33`", "bad.mil:5:13", "error[P0006]", "bad.mil: 2 errors"]
    {
        assert!(outcome.stdout.contains(part), "{part} in {}", outcome.stdout);
    }
    let outcome = place.run("mil check wrong.mil --json");
    assert_eq!(outcome.code, Some(1));
    let finding: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((finding["code"].as_str(), finding["place"]["line"].as_u64()), (Some("E0010"), Some(7)));
}

#[test]
fn a_target_adds_its_findings() {
    let place = place();
    let outcome = place.run("mil check p.mil --target m1");
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("error[T0"), "{}", outcome.stdout);
    place.run("mil check p.mil --target m99").refused();
}

#[test]
fn canonical_text_keeps_comments_and_is_a_fixed_point() {
    let place = place();
    let outcome = place.run("mil fmt p.mil -o canonical.mil").ok();
    assert_eq!(outcome.stdout, "");
    let text = place.text("canonical.mil");
    assert!(text.contains("    // Twice the input, and its sum.\n    func main"), "{text}");
    place.run("mil fmt canonical.mil --check").ok();
    assert_eq!(place.run("mil fmt p.mil --check").code, Some(1));
    let long = place.run("mil fmt p.mil --dialect canonical").ok().stdout;
    assert!(long.contains("tensor<fp32, []> two"), "{long}");
    assert_eq!(parse(&long), parse(PROGRAM));
    place.run("mil fmt bad.mil").refused();
}

#[test]
fn a_program_of_flexible_shape_runs_on_what_it_is_given() {
    let place = place();
    let words: Vec<[u8; 4]> = (1..=6).map(|v| (v as f32).to_le_bytes()).collect();
    place.write("c.npy", npy("<f4", "(2, 3)", false, &words));
    place.write("fortran.npy", npy("<f4", "(2, 3)", true, &words));
    place.run("mil run p.mil --input x=c.npy --out o").ok();
    assert_eq!(floats(&place.read("o/y.npy")), [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
    assert_eq!(floats(&place.read("o/s.npy")), [12.0, 30.0]);
    place.run("mil run p.mil --input x=fortran.npy --out o").ok();
    assert_eq!(floats(&place.read("o/y.npy")), [2.0, 6.0, 10.0, 4.0, 8.0, 12.0]);
    place.write("ints.npy", npy("<i4", "(2, 1)", false, &[7i32.to_le_bytes(), 8i32.to_le_bytes()]));
    place.run("mil run p.mil --input x=ints.npy --out o").ok();
    assert_eq!(floats(&place.read("o/s.npy")), [14.0, 16.0]);
}

#[test]
fn inputs_that_do_not_fit_are_one_line() {
    let place = place();
    place.write("three.npy", npy("<f4", "(3, 1)", false, &[[0; 4]; 3]));
    place.write("short.npy", npy("<f4", "(2, 9999999999)", false, &[[0; 4]; 3]));
    place.write("no.npy", "hello");
    for words in [
        "mil run p.mil",
        "mil run p.mil --input z=three.npy",
        "mil run p.mil --input x=three.npy",
        "mil run p.mil --input x=short.npy",
        "mil run p.mil --input x=no.npy",
        "mil run p.mil --input x=missing.npy",
        "mil run bad.mil --input x=three.npy",
        "mil run missing.mil",
        "mil run p.mil --function other --input x=three.npy",
    ] {
        place.run(words).refused();
    }
}

#[test]
fn structure_is_compared_and_drawn() {
    let place = place();
    place.write("renamed.mil", PROGRAM.replace("two", "zwei"));
    place.run("mil diff p.mil renamed.mil").ok();
    place.write("other.mil", PROGRAM.replace("mul(", "add("));
    let outcome = place.run("mil diff p.mil other.mil");
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stdout.lines().count(), 1, "{}", outcome.stdout);
    assert!(place.run("mil graph p.mil").ok().stdout.starts_with("digraph {"));
    place.run("mil graph p.mil -o p.svg").ok();
    assert!(place.text("p.svg").starts_with("<svg"));
    assert!(place.run("mil stat p.mil").ok().stdout.contains("operations 2: 1 mul, 1 reduce_sum"));
}

#[test]
fn every_code_is_explained() {
    let place = Place::new();
    for code in ["P0001", "E0010", "w0001", "T0001"] {
        assert!(place.run(&format!("mil explain {code}")).ok().stdout.len() > 40, "{code}");
    }
    place.run("mil explain X0001").refused();
    assert!(place.run("mil explain").ok().stdout.lines().count() > 80);
}

#[test]
fn models_keep_their_meaning_from_form_to_form() {
    let place = Place::new();
    // A package says which extents an open one may have, so that text without that comes back with more.
    place.write("p.mil", PROGRAM.replace('?', "3"));
    place.run("mil convert p.mil --to mlpackage").ok();
    place.run("mil convert p.mlpackage --to mlmodelc").ok();
    place.run("mil convert p.mlmodelc --to mil -o again.mil").ok();
    place.run("mil diff p.mil again.mil").ok();
    place.run("mil convert p.mil --to mlpackage").refused();
    place.run("mil convert p.mil --to mlpackage --force").ok();
}

#[cfg(unix)]
#[test]
fn a_failing_program_is_shrunk_to_what_makes_it_fail() {
    let place = place();
    let command = ["--command", "! grep -q reduce_sum"];
    place.run_with("mil reduce p.mil -o small.mil", &command).ok();
    let small = parse(&place.text("small.mil")).unwrap();
    assert_eq!(small.functions[0].ops().len(), 1);
    place.run_with("mil reduce p.mil", &["--command", "true"]).refused();
    place.run_with("mil reduce p.mil", &["--command", "echo seen; true", "--expect", "unseen"]).refused();
}

#[test]
fn both_forms_of_the_voice_detector_agree_on_the_same_audio() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mil");
    if !folder.exists() {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    }
    let place = Place::new();
    let bytes = |values: Vec<f32>| -> Vec<[u8; 4]> { values.iter().map(|v| v.to_le_bytes()).collect() };
    place.write("zero.npy", npy("<f4", "(1, 128)", false, &[[0; 4]; 128]));
    for (pitch, noise) in [(220.0, 0.0), (1400.0, 0.004), (0.0, 0.0)] {
        let wave = |i: u32| {
            (i as f32 / 16000.0 * pitch * std::f32::consts::TAU).sin() * 0.3 + (i * i % 17) as f32 * noise
        };
        place.write("wave.npy", npy("<f4", "(1, 576)", false, &bytes((0..576).map(wave).collect())));
        let run = |model: &str| {
            let path = folder.join(model).display().to_string();
            let inputs =
                "--input audio_input=wave.npy --input hidden_state=zero.npy --input cell_state=zero.npy";
            place.run_with(&format!("mil run {inputs} --out out"), &[path]).ok();
            floats(&place.read("out/vad_output.npy"))[0]
        };
        let (full, palette) = (run("silero-vad.mlmodelc"), run("silero-vad-palette4.mlmodelc"));
        assert!((full - palette).abs() < 0.05, "{pitch} Hz: {full} and {palette}");
    }
}
