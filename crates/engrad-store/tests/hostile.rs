//! No bytes make a reader panic, and every refusal is one line.

mod common;

use std::{fs, path::Path};

use common::{save_small, small};
use engrad_store::{Checkpoint, export_hugging_face, export_llama2c, latest, load};
use proptest::prelude::*;

/// A change to a file: bytes overwritten, then perhaps the end cut off.
#[derive(Debug, Clone)]
struct Damage {
    writes: Vec<(prop::sample::Index, u8)>,
    cut: Option<prop::sample::Index>,
}

fn damage() -> impl Strategy<Value = Damage> {
    // Characters that mean something in JSON and TOML find more than random bytes do.
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"0123456789-.eE{}[]\",:=\n ".to_vec())];
    let writes = prop::collection::vec((any::<prop::sample::Index>(), byte), 1..4);
    (writes, prop::option::of(any::<prop::sample::Index>())).prop_map(|(writes, cut)| Damage { writes, cut })
}

impl Damage {
    fn apply(&self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        for (at, value) in &self.writes {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if let Some(cut) = &self.cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(path, bytes).unwrap();
    }
}

fn try_load(path: &Path) {
    if let Err(error) = load(path) {
        let text = error.to_string();
        assert!(!text.contains('\n'), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn llama2c_files(damage in damage(), header: [i8; 28]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.bin");
        export_llama2c(&small(|_| {}).view(), &path).unwrap();
        damage.apply(&path);
        try_load(&path);
        // Damage confined to the header.
        let bytes: Vec<u8> = header.iter().map(|&b| b as u8).collect();
        fs::write(&path, &bytes).unwrap();
        try_load(&path);
        let version_1 = [&b"24ka\x01\0\0\0"[..], &bytes, &[0; 300]].concat();
        fs::write(&path, version_1).unwrap();
        try_load(&path);
    }

    #[test]
    fn hugging_face_folders(damage in damage(), file: prop::sample::Index) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("m");
        export_hugging_face(&small(|_| {}).view(), &folder, 1000).unwrap();
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        damage.apply(&files[file.index(files.len())]);
        try_load(&folder);
    }

    #[test]
    fn checkpoints(damage in damage(), file: prop::sample::Index) {
        let dir = tempfile::tempdir().unwrap();
        let path = save_small(dir.path(), 1);
        let mut files: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        damage.apply(&files[file.index(files.len())]);
        try_load(&path);
        latest(dir.path()).unwrap();
        if let Ok(mut found) = Checkpoint::open(&path) {
            let _ = (found.state::<common::State>(), found.load_optimizer(&mut []), found.extra("note.txt"));
        }
    }
}
