//! The check as a whole: order, places, hostile programs, real ones.

use std::fs;
use std::path::{Path, PathBuf};

use engrad_mil::{line_and_column, text};
use engrad_target::{Chip, Family, Rule, Severity, check, check_text, chips, cost};

const TWO_FUNCTIONS: &str = "program(1.3)
{
    func second<ios18>(tensor<fp16, [1, 64, 1, 64]> x) {
        tensor<fp16, [1, 64, 1, 64]> y = tan(x = x);
        tensor<fp16, [1, 64, 1, 64]> z = rsqrt(x = y);
    } -> (z);
    func main<ios18>(tensor<int32, [1, 64, 1, 64]> x) {
        tensor<int32, [1, 64, 1, 64]> y = add(x = x, y = x);
    } -> (y);
}
";

fn family_chips() -> Vec<&'static Chip> {
    Family::ALL.iter().map(|family| Chip::named(family.name()).unwrap()).collect()
}

#[test]
fn findings_follow_the_program_and_point_into_its_text() {
    let reading = text::read(TWO_FUNCTIONS);
    assert!(reading.errors.is_empty());
    let findings = check(&reading.program, Chip::named("m4").unwrap());
    let refused = findings.iter().filter(|finding| finding.severity == Severity::Refused);
    let shown: Vec<String> = refused
        .map(|finding| {
            let span = finding.place.span(&reading.source).unwrap();
            let (line, column) = line_and_column(TWO_FUNCTIONS, span.start);
            format!("{line}:{column} {} {}", finding.code, &TWO_FUNCTIONS[span.start..span.end])
        })
        .collect();
    assert_eq!(
        shown,
        [
            "4:42 T0301 tan",
            "5:42 T0304 rsqrt",
            "7:52 T0101 x",
            "8:9 T0101 tensor<int32, [1, 64, 1, 64]> y",
            "8:9 T0102 tensor<int32, [1, 64, 1, 64]> y",
        ]
    );
}

#[test]
fn a_finding_is_drawn_over_its_source_with_fact_and_advice() {
    let reading = text::read(TWO_FUNCTIONS);
    let findings = check(&reading.program, Chip::named("h16").unwrap());
    let finding = findings.iter().find(|finding| finding.code == "T0301").unwrap();
    let drawn = finding.diagnostic(Some(&reading.source)).render("model.mil", TWO_FUNCTIONS);
    let expected = "\
error[T0301]: `y`: `tan` is refused on every family (refused on h16)
 --> model.mil:4:42
  |
4 |         tensor<fp16, [1, 64, 1, 64]> y = tan(x = x);
  |                                          ^^^
  = help: Compute on the host, or build them from exp and division. fact O03 (measured): Trigonometric and hyperbolic \
functions other than sin, cos, atan and tanh have no table in the engine.
";
    assert_eq!(drawn, expected);
}

#[test]
fn a_rule_explains_itself() {
    let explained = Rule::with_code("T0404").unwrap().to_string();
    let expected = "\
T0404 (refused): convolutions read fewer than 32,000 channels.

Fact C29 (measured; maderix): A convolution with 32,000 input channels is refused; 32,000 output channels are fine.
Seen on h16; on other families the rule says a note.

Use matmul on the input side, or cut the input channels into tiles.";
    assert_eq!(explained, expected);
}

/// Parts of programs are what a parser that recovers hands over: undefined outputs, values without types that fit.
#[test]
fn programs_cut_anywhere_are_checked_without_panic() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests");
    let mut programs = 0;
    for folder in fs::read_dir(root).unwrap() {
        for path in fs::read_dir(folder.unwrap().path()).unwrap() {
            let source = fs::read_to_string(path.unwrap().path()).unwrap();
            if source.len() > 10_000 {
                continue;
            }
            for cut in (0..source.len()).step_by(61).filter(|&cut| source.is_char_boundary(cut)) {
                let reading = text::read(&source[..cut]);
                for chip in family_chips() {
                    check_text(&source[..cut], &reading, chip);
                    cost(&reading.program, chip);
                }
                programs += 1;
            }
        }
    }
    assert!(programs > 1000, "{programs}");
}

#[test]
fn extents_beyond_every_size_saturate() {
    let huge = u64::MAX;
    let source = format!(
        "program(1.3)\n{{\n func main<ios18>(tensor<fp16, [{huge}, {huge}]> k, tensor<fp16, [{huge}, {huge}]> x) {{\n\
         tensor<fp16, [{huge}, {huge}]> y = matmul(transpose_x = bool(true), transpose_y = bool(false), x = x, y = k);\n\
         tensor<fp16, [{huge}, {huge}]> z = scaled_dot_product_attention(key = k, query = x, value = y);\n }} -> (z);\n}}\n"
    );
    let program = text::read(&source).program;
    for chip in chips() {
        check(&program, chip);
        cost(&program, chip);
    }
}

#[test]
fn names_and_texts_of_programs_stay_on_one_line_of_bounded_length() {
    let long = "a".repeat(10_000);
    let source = format!(
        "program(1.3)\n{{\n func main<ios18>(tensor<fp16, [1, 64, 1, 64]> x) {{\n\
         tensor<fp16, [1, 64, 1, 64]> y = {long}(x = x);\n\
         tensor<fp16, [1, 64, 1, 66]> z = pad(constant_val = fp16(0), mode = string(\"\\n{long}\"), pad = tensor<int32, [2]>([1, 1]), x = y);\n\
         }} -> (z);\n}}\n"
    );
    let findings = check(&text::read(&source).program, Chip::named("h13").unwrap());
    assert!(findings.iter().any(|finding| finding.code == "T0311"));
    for finding in findings {
        assert!(
            finding.message.chars().count() <= 401 && !finding.message.contains('\n'),
            "{}",
            finding.code
        );
    }
}

/// What Core ML runs partly on the CPU, the engine alone refuses; the check says where.
#[test]
fn real_programs_are_refused_where_the_engine_lacks_their_operations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mil");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: {} is absent", folder.display());
        return;
    };
    let models: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    for (model, code, op) in [
        ("silero-vad.mlmodelc", "T0301", Some("lstm")),
        ("argmax.mlmodelc", "T0102", Some("reduce_argmax")),
        ("mnist-cnn.mlmodelc", "T0102", Some("conv")),
        ("mul.mlmodelc", "T0602", None),
    ] {
        let path = models.iter().find(|path| path.ends_with(model)).unwrap().join("model.mil");
        let program = engrad_mil::parse(&fs::read_to_string(path).unwrap()).unwrap();
        let findings = check(&program, Chip::named("h16").unwrap());
        let found = findings
            .iter()
            .any(|finding| finding.code == code && (op.is_none() || finding.op_name.as_deref() == op));
        assert!(found, "{model}: {findings:#?}");
        let worst = findings.iter().map(|finding| finding.severity).max();
        assert_eq!(worst, Some(if op.is_some() { Severity::Refused } else { Severity::Note }), "{model}");
    }
}
