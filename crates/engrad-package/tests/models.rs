//! Models on disk: from form to form, with weights in files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use engrad_mil::blob::{self, BlobWriter};
use engrad_mil::{DType, parse};
use engrad_package::{Format, Model, PackageError, convert};
use tempfile::TempDir;

const A: &str = "@model_path/weights/a.bin";
const B: &str = "@model_path/b.bin";

/// A model whose weights are in two files, one of them outside `weights`.
fn model() -> Model {
    let text = format!(
        r#"program(1.0)
{{
    func main<ios16>(tensor<fp16, [1, 2]> x) {{
            tensor<fp16, [1, 2]> a = const()[name = tensor<string, []>("a"), val = tensor<fp16, [1, 2]>(BLOBFILE(path = tensor<string, []>("{A}"), offset = tensor<uint64, []>(64)))];
            tensor<fp16, [1, 2]> b = const()[name = tensor<string, []>("b"), val = tensor<fp16, [1, 2]>(BLOBFILE(path = tensor<string, []>("{B}"), offset = tensor<uint64, []>(64)))];
            tensor<fp16, [1, 2]> z = add(x = x, y = a)[name = tensor<string, []>("z")];
            tensor<fp16, [1, 2]> y = mul(x = z, y = b)[name = tensor<string, []>("y")];
        }} -> (y);
}}
"#
    );
    let weights = |bytes: [u8; 4]| {
        let mut writer = BlobWriter::new();
        writer.add(DType::Fp16, 2, &bytes).unwrap();
        writer.finish()
    };
    let files =
        BTreeMap::from([(A.to_owned(), weights([0, 0x3c, 0, 0x40])), (B.to_owned(), weights([1, 2, 3, 4]))]);
    let mut model = Model::new(parse(&text).unwrap(), files);
    model.metadata.author = "someone".to_owned();
    model.metadata.user_defined.insert("key".to_owned(), "value".to_owned());
    model
}

fn path(folder: &TempDir, format: Format, name: &str) -> PathBuf {
    folder.path().join(name).join(format!("model.{}", format.ending()))
}

#[test]
fn a_model_goes_from_every_form_to_every_form() {
    let folder = TempDir::new().unwrap();
    let model = model();
    let expected = model.resolved().unwrap();
    let forms = [Format::Text, Format::Compiled, Format::Package];
    for from in forms {
        let source = path(&folder, from, "source");
        model.save(&source, from, false).unwrap();
        for to in forms {
            let target = path(&folder, to, &format!("{from:?}-{to:?}"));
            convert(&source, &target, to, false).unwrap();
            let again = Model::open(&target).unwrap();
            assert_eq!(again.format(), to);
            assert_eq!(again.resolved().unwrap(), expected, "{from:?} to {to:?}");
            if from != Format::Text && to != Format::Text {
                assert_eq!(again.metadata, model.metadata, "{from:?} to {to:?}");
            }
            if to != Format::Text {
                let paths = blob::paths(&again.program);
                assert_eq!(paths.into_iter().collect::<Vec<_>>(), [A, "@model_path/weights/b.bin"]);
            }
        }
    }
}

#[test]
fn weights_of_the_text_move_to_a_file_of_their_own() {
    let folder = TempDir::new().unwrap();
    let mut model = Model::new(model().resolved().unwrap(), BTreeMap::new());
    let expected = model.program.clone();
    model.externalize(2).unwrap();
    let target = path(&folder, Format::Compiled, "moved");
    model.save(&target, Format::Compiled, false).unwrap();
    assert!(target.join("weights/weight.bin").is_file());
    assert_eq!(Model::open(&target).unwrap().resolved().unwrap(), expected);
}

#[test]
fn files_of_one_name_in_different_folders_stay_apart() {
    let text = model().program.to_text().replace(A, "@model_path/weights/b.bin");
    let mut files = BTreeMap::new();
    for (path, value) in [("@model_path/weights/b.bin", 1), (B, 2)] {
        let mut writer = BlobWriter::new();
        writer.add(DType::Fp16, 2, &[value; 4]).unwrap();
        files.insert(path.to_owned(), writer.finish());
    }
    let model = Model::new(parse(&text).unwrap(), files);
    let folder = TempDir::new().unwrap();
    let target = path(&folder, Format::Package, "apart");
    model.save(&target, Format::Package, false).unwrap();
    assert_eq!(Model::open(&target).unwrap().resolved().unwrap(), model.resolved().unwrap());
}

#[test]
fn an_existing_target_stays_unless_it_is_to_be_replaced() {
    let folder = TempDir::new().unwrap();
    for format in [Format::Text, Format::Compiled, Format::Package] {
        let target = path(&folder, format, &format!("{format:?}"));
        model().save(&target, format, false).unwrap();
        assert!(matches!(model().save(&target, format, false), Err(PackageError::Exists(_))), "{format:?}");
        let mut changed = model();
        changed.program.functions[0].name = "other".to_owned();
        changed.save(&target, format, true).unwrap();
        assert_eq!(Model::open(&target).unwrap().program.functions[0].name, "other");
        let left: Vec<_> =
            fs::read_dir(target.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
        let others = left.iter().filter(|name| name.to_string_lossy().starts_with('.'));
        assert_eq!(others.count(), 0, "{left:?}");
    }
}

#[test]
fn a_failed_save_leaves_what_was_there() {
    let folder = TempDir::new().unwrap();
    let target = path(&folder, Format::Package, "kept");
    model().save(&target, Format::Package, false).unwrap();
    // Without the files of its weights.
    let lacking = Model::open(&target).unwrap();
    let source = path(&folder, Format::Compiled, "lacking");
    model().save(&source, Format::Compiled, false).unwrap();
    let broken = Model::open(&source).unwrap();
    fs::remove_dir_all(source.join("weights")).unwrap();
    assert!(matches!(broken.save(&target, Format::Package, true), Err(PackageError::Unknown { .. })));
    assert_eq!(Model::open(&target).unwrap().resolved().unwrap(), lacking.resolved().unwrap());
    assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn weights_outside_the_model_are_refused() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret.bin");
    fs::write(&secret, BlobWriter::new().finish()).unwrap();
    let inside = folder.path().join("model");
    fs::create_dir(&inside).unwrap();
    for outside in
        ["@model_path/../secret.bin", &secret.display().to_string(), "@model_path/weights/../../secret.bin"]
    {
        let text = model().program.to_text().replace(A, outside);
        fs::write(inside.join("model.mil"), &text).unwrap();
        let model = Model::open(&inside).unwrap();
        assert!(matches!(model.resolved(), Err(PackageError::WeightPath { .. })), "{outside}");
        let target = folder.path().join("out.mlpackage");
        assert!(matches!(model.save(&target, Format::Package, false), Err(PackageError::WeightPath { .. })));
        assert!(!target.exists());
    }
}

#[test]
fn damaged_models_are_refused_with_the_file_at_fault() {
    let folder = TempDir::new().unwrap();
    let refused = |make: &dyn Fn(&Path)| {
        let source = path(&folder, Format::Package, "damaged");
        model().save(&source, Format::Package, true).unwrap();
        make(&source);
        Model::open(&source).and_then(|model| model.resolved()).unwrap_err().to_string()
    };
    let write =
        |name: &'static str, bytes: &'static [u8]| move |p: &Path| fs::write(p.join(name), bytes).unwrap();
    assert!(refused(&write("Manifest.json", b"{")).contains("Manifest.json"));
    assert!(
        refused(&write("Manifest.json", b"{\"fileFormatVersion\": \"2.0.0\"}")).contains("format version")
    );
    assert!(refused(&write("Data/com.apple.CoreML/model.mlmodel", &[0xff; 9])).contains("damaged"));
    assert!(refused(&write("Data/com.apple.CoreML/weights/a.bin", &[0; 9])).contains("too few for a header"));
    assert!(refused(&|p| fs::remove_file(p.join("Manifest.json")).unwrap()).contains("model.mil"));
    assert!(
        refused(&|p| fs::remove_dir_all(p.join("Data/com.apple.CoreML/weights")).unwrap()).contains("a.bin")
    );
    let text = folder.path().join("bad.mil");
    fs::write(&text, b"program(1.0)\xff").unwrap();
    assert!(Model::open(&text).unwrap_err().to_string().contains("byte 12 is not UTF-8"));
    assert!(matches!(Model::open(&folder.path().join("nothing")), Err(PackageError::Io { .. })));
}

#[test]
fn models_of_the_compiler_go_through_every_form() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mil");
    let Ok(entries) = fs::read_dir(&samples) else {
        eprintln!("skipped: {} is not there", samples.display());
        return;
    };
    let folder = TempDir::new().unwrap();
    for source in entries.map(|entry| entry.unwrap().path()) {
        let name = source.file_stem().unwrap().to_string_lossy().into_owned();
        let model = Model::open(&source).unwrap();
        let expected = model.resolved().unwrap();
        let mut source = source;
        for format in [Format::Package, Format::Compiled, Format::Text, Format::Package] {
            let target = path(&folder, format, &format!("{name}-{}", source.display().to_string().len()));
            convert(&source, &target, format, true).unwrap();
            let again = Model::open(&target).unwrap();
            assert_eq!(again.resolved().unwrap().functions, expected.functions, "{name} as {format:?}");
            source = target;
        }
    }
}

#[test]
fn metadata_of_a_compiled_model_stays() {
    let folder = TempDir::new().unwrap();
    let first = path(&folder, Format::Compiled, "first");
    model().save(&first, Format::Compiled, false).unwrap();
    let json = fs::read_to_string(first.join("metadata.json")).unwrap();
    for expected in [
        r#""formattedType": "MultiArray (Float16 1 × 2)""#,
        r#""computePrecision": "Float16""#,
        r#""storagePrecision": "Float16""#,
        r#""Ios16.add": 1"#,
        r#""author": "someone""#,
        r#""specificationVersion": 7"#,
    ] {
        assert!(json.contains(expected), "{expected}: {json}");
    }
    let extended = json.replace(r#""method""#, "\"note\": \"kept\",\n    \"method\"");
    fs::write(first.join("metadata.json"), extended).unwrap();
    let second = path(&folder, Format::Compiled, "second");
    convert(&first, &second, Format::Compiled, false).unwrap();
    let json = fs::read_to_string(second.join("metadata.json")).unwrap();
    assert!(json.contains(r#""note": "kept""#), "{json}");
}
