//! `engrad engine` and `engrad doctor`.

use crate::apple::run as run_on_the_stand_in;
use crate::place::Place;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_probe_prints_its_verdict_and_the_facts_it_settles() {
    let place = Place::new();
    let text = place.run("engine probe cliff-32768 qos-sweep").ok().stdout;
    assert!(text.contains("cliff-32768: pass, results up to 49152 are kept"), "{text}");
    assert!(text.contains("fact C66 does not hold here"), "{text}");
    assert!(text.contains("qos-sweep: unsupported, it asks Apple's private classes"), "{text}");
}

#[test]
fn a_probe_that_fails_is_exit_code_1_and_an_unknown_one_2() {
    let place = Place::new();
    let outcome = place.run("engine probe rms-norm-backward --json");
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let report = json(&outcome.stdout);
    assert_eq!(
        (report["outcome"].as_str(), report["facts"][0]["holds"].as_bool()),
        (Some("fail"), Some(true))
    );
    let outcome = place.run("engine probe nothing");
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("there is no probe `nothing`"), "{}", outcome.stderr);
    assert_eq!(place.run("engine probe").code, Some(2));
}

#[test]
fn the_list_names_every_probe_with_its_question() {
    let place = Place::new();
    let text = place.run("engine probe --list").ok().stdout;
    for name in ["api-exploration", "causal-mask-literal", "compile-limit"] {
        assert!(text.lines().any(|line| line.starts_with(name) && line.ends_with('?')), "{text}");
    }
    let rows = place.run("engine probe --list --json").ok().stdout;
    assert!(rows.lines().all(|row| json(row)["facts"].is_array()), "{rows}");
}

#[test]
fn every_probe_gives_a_verdict_on_the_stand_in() {
    let place = Place::new();
    let outcome = run_on_the_stand_in(&place, "engine probe --all --json");
    // Some answers are no: weights are baked, as the device's are.
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    let reports: Vec<_> = outcome.stdout.lines().map(json).collect();
    assert!(reports.len() > 30);
    for report in &reports {
        assert_eq!(report["engine"], "apple");
        assert!(["pass", "fail"].contains(&report["outcome"].as_str().unwrap_or_default()), "{report}");
    }
    let last = reports.last().unwrap();
    assert_eq!((last["probe"].as_str(), last["outcome"].as_str()), (Some("compile-limit"), Some("fail")));
}

#[test]
fn info_describes_the_device_behind_the_framework() {
    let place = Place::new();
    let facts = json(&run_on_the_stand_in(&place, "engine info --json").ok().stdout);
    assert_eq!(facts["device"]["architecture"], "standin");
    assert_eq!(facts["framework"]["measurements"]["missing"], serde_json::json!([]));
    assert_eq!(facts["test_program"]["outcome"], "pass");
    let text = place.run("engine info").ok().stdout;
    assert!(text.contains("virtual") && text.contains("agrees with plain loops"), "{text}");
}

#[test]
fn the_doctor_says_what_is_here_and_names_nobody() {
    let place = Place::new();
    let report = json(&place.run("doctor --json").ok().stdout);
    assert_eq!(report["healthy"], true);
    assert_eq!(report["engines"]["virtual"]["test_program"]["outcome"], "pass");
    assert!(report["machine"]["threads"].as_u64() > Some(0), "{report}");
    if cfg!(target_os = "linux") {
        assert!(report["machine"]["memory"].as_u64() > Some(0), "{report}");
        let reason = report["engines"]["apple"]["not_available"].as_str().unwrap_or_default();
        assert!(reason.contains("it needs a Mac with Apple silicon"), "{report}");
    }
    let text = place.run("doctor").ok().stdout;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let home = std::env::var("HOME").unwrap_or_default();
    for private in [host.trim(), &user, &home] {
        // Short ones occur in ordinary words.
        if private.len() > 4 {
            assert!(!text.contains(private), "`{private}` in\n{text}");
        }
    }
}
