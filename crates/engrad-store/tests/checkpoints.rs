//! Checkpoints: exactness, damage, interruption at every stage, retention.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{State, assert_same_bits, copy_directory, one_line, save_small, small};
use engrad_store::{Checkpoint, NamedTensorMut, checkpoints, latest, load, retain};

fn steps(root: &Path) -> Vec<u64> {
    checkpoints(root).unwrap().into_iter().map(|(step, _)| step).collect()
}

#[track_caller]
fn newest(root: &Path) -> u64 {
    let mut found = latest(root).unwrap().checkpoint.unwrap();
    let state: State = found.state().unwrap();
    assert_eq!(state, State::at(found.step()));
    assert_same_bits(&found.load_model().unwrap(), &small(|_| {}));
    found.step()
}

/// Names in a directory, sorted.
fn listing(root: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(root).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn root_with(steps: &[u64]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("run/checkpoints");
    for &step in steps {
        save_small(&root, step);
    }
    (dir, root)
}

#[test]
fn everything_comes_back_bit_for_bit() {
    let (_dir, root) = root_with(&[7]);
    let mut found = Checkpoint::open(&root.join("step-00000007")).unwrap();
    assert_eq!(found.step(), 7);
    assert_eq!(found.state::<State>().unwrap(), State::at(7));
    assert_eq!(found.config_toml().unwrap(), "steps = 10\n");
    assert_eq!(found.model_config().unwrap(), small(|_| {}).config);
    assert_eq!(found.extra("note.txt").unwrap().unwrap(), b"hello");
    assert_eq!(found.extra("../x").unwrap(), None);
    assert_same_bits(&found.load_model().unwrap(), &small(|_| {}));
    let (mut first, mut second) = ([0.0; 2], [0.0; 2]);
    found
        .load_optimizer(&mut [
            NamedTensorMut { name: "second.a".into(), data: &mut second },
            NamedTensorMut { name: "first.a".into(), data: &mut first },
        ])
        .unwrap();
    assert_eq!((first, second), ([1.0, 2.0], [3.0, 7.0]));

    let only_first = &mut [NamedTensorMut { name: "first.a".into(), data: &mut first }];
    let text = one_line(found.load_optimizer(only_first), "optimizer.safetensors");
    assert!(text.contains("`second.a` is not part of"), "{text}");
}

#[test]
fn checkpoints_are_models_by_themselves_and_by_their_root() {
    let (_dir, root) = root_with(&[1, 2]);
    assert_same_bits(&load(&root).unwrap(), &small(|_| {}));
    assert_same_bits(&load(&root.join("step-00000001")).unwrap(), &small(|_| {}));
}

#[test]
fn a_root_without_checkpoints_has_no_latest() {
    let dir = tempfile::tempdir().unwrap();
    for root in [dir.path().to_owned(), dir.path().join("absent")] {
        let found = latest(&root).unwrap();
        assert!(found.checkpoint.is_none() && found.rejected.is_empty());
    }
}

#[test]
fn damage_to_any_file_is_reported_and_the_checkpoint_before_is_used() {
    let (_dir, root) = root_with(&[1, 2]);
    let newer = root.join("step-00000002");
    for name in listing(&newer) {
        let path = newer.join(&name);
        let whole = fs::read(&path).unwrap();
        let middle = whole.len() / 2;
        let mut flipped = whole.clone();
        flipped[middle] ^= 0x80;
        for damaged in [flipped, whole[..middle].to_vec(), Vec::new()] {
            fs::write(&path, &damaged).unwrap();
            assert_eq!(newest(&root), 1, "{name}");
            let rejected = latest(&root).unwrap().rejected;
            assert_eq!(rejected.len(), 1);
            one_line(Err::<(), _>(rejected.into_iter().next().unwrap().error), &name);
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(newest(&root), 1, "{name}");
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(newest(&root), 2);
}

#[test]
fn weights_damaged_after_opening_are_not_loaded() {
    let (_dir, root) = root_with(&[1]);
    let path = root.join("step-00000001/weights.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let mut found = Checkpoint::open(&root.join("step-00000001")).unwrap();
    fs::write(&path, bytes).unwrap();
    assert!(one_line(found.load_model(), "weights.safetensors").contains("damaged"));
}

#[test]
fn a_save_killed_while_writing_is_ignored_and_cleaned() {
    let (_dir, root) = root_with(&[1, 2]);
    let names = listing(&root.join("step-00000002"));
    // Killed after each number of files, the last one cut in half.
    for count in 0..=names.len() {
        let unfinished = root.join(".step-00000003.unfinished");
        fs::create_dir(&unfinished).unwrap();
        for name in &names[..count] {
            let bytes = fs::read(root.join("step-00000002").join(name)).unwrap();
            let part = if name == &names[count - 1] { bytes.len() / 2 } else { bytes.len() };
            fs::write(unfinished.join(name), &bytes[..part]).unwrap();
        }
        assert_eq!(newest(&root), 2);
        save_small(&root, 3);
        assert_eq!(newest(&root), 3);
        assert_eq!(listing(&root), ["step-00000001", "step-00000002", "step-00000003"]);
        fs::remove_dir_all(root.join("step-00000003")).unwrap();
    }
}

#[test]
fn a_save_killed_before_the_rename_is_ignored_and_cleaned() {
    let (_dir, root) = root_with(&[1, 2]);
    fs::rename(root.join("step-00000002"), root.join(".step-00000002.unfinished")).unwrap();
    assert_eq!(newest(&root), 1);
    save_small(&root, 2);
    assert_eq!(listing(&root), ["step-00000001", "step-00000002"]);
}

#[test]
fn a_step_saved_again_replaces_itself_and_survives_a_kill_between_the_renames() {
    let (_dir, root) = root_with(&[5]);
    let place = root.join("step-00000005");
    save_small(&root, 5);
    assert_eq!(listing(&root), ["step-00000005"]);

    // The old one set aside, the new one not yet in place.
    let replaced = root.join(".step-00000005.replaced");
    copy_directory(&place, &root.join(".step-00000005.unfinished"));
    fs::rename(&place, &replaced).unwrap();
    assert_eq!(newest(&root), 5);
    save_small(&root, 6);
    assert_eq!(listing(&root), ["step-00000005", "step-00000006"]);

    // The new one in place, the old one still there, or half deleted.
    copy_directory(&place, &replaced);
    copy_directory(&place, &root.join(".step-00000005.deleted"));
    fs::remove_file(root.join(".step-00000005.deleted/manifest.json")).unwrap();
    assert_eq!(steps(&root), [5, 6]);
    save_small(&root, 7);
    assert_eq!(listing(&root), ["step-00000005", "step-00000006", "step-00000007"]);
}

#[test]
fn a_deletion_killed_half_way_is_not_taken_for_a_checkpoint() {
    let (_dir, root) = root_with(&[1]);
    let doomed = root.join(".step-00000001.deleted");
    fs::rename(root.join("step-00000001"), &doomed).unwrap();
    fs::remove_file(doomed.join("weights.safetensors")).unwrap();
    assert!(latest(&root).unwrap().checkpoint.is_none());
    assert!(retain(&root, 1, None).unwrap().is_empty());
    assert_eq!(listing(&root), [""; 0]);
}

#[test]
fn retention_keeps_the_last_and_the_best() {
    let (_dir, root) = root_with(&[10, 20, 30, 40, 50]);
    fs::create_dir(root.join("mine")).unwrap();
    assert_eq!(retain(&root, 2, Some(20)).unwrap(), [10, 30]);
    assert_eq!(steps(&root), [20, 40, 50]);
    assert_eq!(retain(&root, 2, Some(50)).unwrap(), [20]);
    assert_eq!(retain(&root, 0, None).unwrap(), [40], "the newest always stays");
    assert_eq!(listing(&root), ["mine", "step-00000050"]);
}

#[test]
fn a_manifest_cannot_reach_outside_its_folder() {
    let (dir, root) = root_with(&[1]);
    fs::write(dir.path().join("secret"), b"").unwrap();
    let path = root.join("step-00000001/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    for name in ["../../../secret", "/etc/hostname"] {
        fs::write(&path, text.replace("note.txt", name)).unwrap();
        let text = one_line(Checkpoint::open(&root.join("step-00000001")), "manifest.json");
        assert!(text.contains("is not a plain file name"), "{text}");
    }
}

#[test]
fn a_newer_format_is_refused_by_its_version() {
    let (_dir, root) = root_with(&[1]);
    let path = root.join("step-00000001/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"version\": 1,", "\"version\": 2, \"new\": 0,")).unwrap();
    let text = one_line(Checkpoint::open(&root.join("step-00000001")), "manifest.json");
    assert!(text.contains("format version 2"), "{text}");
}
