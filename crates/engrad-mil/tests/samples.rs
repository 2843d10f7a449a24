//! Programs and weights written by Core ML's own tools, where a checkout has them beside it.

use std::path::{Path, PathBuf};

use engrad_mil::blob::BlobFile;
use engrad_mil::{Dialect, parse, read, verify};

/// Every model in the folder of samples.
fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mil");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: {} is not there", folder.display());
        return Vec::new();
    };
    let mut models: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    models.sort();
    models
}

#[test]
fn programs_of_the_compiler_verify_and_come_back_as_they_were() {
    for path in samples() {
        let text = std::fs::read_to_string(path.join("model.mil")).unwrap();
        let reading = read(&text);
        assert_eq!(reading.errors, [], "{}", path.display());
        let found = verify::check(&reading.program);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        // Byte for byte, but for the line break at the end that some files lack.
        assert_eq!(reading.program.to_text().trim_end(), text.trim_end(), "{}", path.display());
        for dialect in [Dialect::Canonical, Dialect::Short] {
            assert_eq!(parse(&reading.program.to_text_in(dialect)), Ok(reading.program.clone()));
        }
    }
}

#[test]
fn weights_of_the_compiler_are_read() {
    for path in samples() {
        let Ok(bytes) = std::fs::read(path.join("weights/weight.bin")) else {
            continue;
        };
        let file = BlobFile::parse(&bytes).unwrap();
        assert!(file.len() > 10, "{}", path.display());
    }
}
