//! A process killed at any moment of saving and deleting leaves a whole checkpoint.

mod common;

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use common::{State, save_small};
use engrad_store::{latest, retain};

const ROOT: &str = "ENGRAD_STORE_TEST_ROOT";
const ROUNDS: u32 = 20;

/// Resumes from what is there and saves on, each second step twice, until killed.
fn save_until_killed(root: &Path) {
    let mut step = latest(root).unwrap().checkpoint.map_or(0, |c| c.step());
    loop {
        step += 1;
        save_small(root, step);
        if step.is_multiple_of(2) {
            save_small(root, step);
        }
        retain(root, 2, Some(1)).unwrap();
    }
}

#[test]
fn killed_at_random_moments_a_run_always_resumes() {
    if let Ok(root) = env::var(ROOT) {
        save_until_killed(Path::new(&root));
    }
    let dir = tempfile::tempdir().unwrap();
    let newest = || {
        let found = latest(dir.path()).unwrap();
        assert!(found.rejected.is_empty(), "{:?}", found.rejected);
        let mut checkpoint = found.checkpoint?;
        assert_eq!(checkpoint.state::<State>().unwrap(), State::at(checkpoint.step()));
        Some(checkpoint.step())
    };
    let mut last = None;
    for round in 0..ROUNDS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "killed_at_random_moments_a_run_always_resumes"])
            .env(ROOT, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Not before the child has saved something, then at a moment that differs from round to round.
        let deadline = Instant::now() + Duration::from_secs(60);
        while latest(dir.path()).ok().and_then(|found| found.checkpoint).map(|c| c.step()) <= last {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            assert!(Instant::now() < deadline, "the child saves nothing");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(u64::from(round * 7919 % 20_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = newest();
        assert!(now >= last && now.is_some(), "went back from {last:?} to {now:?}");
        last = now;
    }
}
