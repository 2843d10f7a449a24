//! Runs that end before they wanted to.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::place::{Place, TRAIN};

/// How often a run is killed.
const KILLS: usize = 20;

fn spawn(place: &Place, words: &str) -> Child {
    place.command(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Every checkpoint a run shows is whole, whatever happened to the process that wrote it.
fn assert_checkpoints_whole(place: &Place, run: &str) -> bool {
    let root = place.path(&format!("{run}/checkpoints"));
    let found = engrad_store::latest(&root).unwrap();
    assert!(found.rejected.is_empty(), "{:?}", found.rejected);
    found.checkpoint.is_some()
}

#[test]
fn a_run_killed_at_random_moments_always_resumes() {
    let place = Place::with_stories();
    let train = format!("{TRAIN} --steps 40 --checkpoint-every 1");
    place.run(&format!("{train} --out whole")).ok();
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let (mut kills, mut round) = (0, 0);
    while kills < KILLS {
        round += 1;
        let run = format!("run{round}");
        loop {
            let started = assert_checkpoints_whole(&place, &run);
            let words = format!("{train} --out {run} {}", if started { "--resume" } else { "" });
            let mut child = spawn(&place, &words);
            if kills < KILLS {
                std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
                if child.try_wait().unwrap().is_none() {
                    child.kill().unwrap();
                    kills += 1;
                }
            }
            let output = child.wait_with_output().unwrap();
            match output.status.code() {
                Some(0) => break,
                None => {}
                code => panic!("{code:?}: {}", String::from_utf8_lossy(&output.stderr)),
            }
        }
        place.assert_same_bits("whole", &run, 40);
    }
}

#[test]
fn an_interrupt_saves_and_resumes_to_the_same_bits() {
    let place = Place::with_stories();
    let train = format!("{TRAIN} --decay-steps 100 --checkpoint-every 0");
    let mut child = spawn(&place, &format!("{train} --steps 1000000 --out run"));
    let patience = Instant::now();
    while fs::read_to_string(place.path("run/events.jsonl")).unwrap_or_default().lines().count() < 5 {
        assert!(patience.elapsed() < Duration::from_secs(60), "no steps");
        assert!(child.try_wait().unwrap().is_none(), "ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let saved = engrad_store::checkpoints(&place.path("run/checkpoints")).unwrap();
    let [(step, _)] = saved[..] else { panic!("{saved:?}") };
    let all = step + 5;
    place.run(&format!("train --resume --out run --steps {all}")).ok();
    place.run(&format!("{train} --steps {all} --out whole")).ok();
    place.assert_same_bits("whole", "run", all);
}
