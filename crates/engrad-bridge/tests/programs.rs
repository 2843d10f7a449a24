//! C and Python programs, compiled and run as their readers would.
//!
//! Without a C compiler or Python a test says so and passes: neither is needed to build the project.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Where cargo puts this package's libraries: beside its tests.
fn libraries() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn library(name: &str) -> PathBuf {
    libraries().join(format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

fn runs(command: &str, arguments: &[&str]) -> bool {
    Command::new(command).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// The C compiler, if there is one.
fn compiler() -> Option<String> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let found = runs(&compiler, &["--version"]);
    if !found {
        println!("skipped: no C compiler `{compiler}`");
    }
    found.then_some(compiler)
}

/// Compiles one source against the header and the shared library; `None` if the flags are not available here.
fn compile(compiler: &str, source: &Path, flags: &[&str], to: &Path) -> Result<(), Output> {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let output = Command::new(compiler)
        .args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"])
        .args(flags)
        .arg("-I")
        .arg(include)
        .arg(source)
        .arg("-o")
        .arg(to)
        .arg("-L")
        .arg(libraries())
        .args(["-lengrad_bridge", "-lm", "-lpthread"])
        .output()
        .unwrap();
    if output.status.success() { Ok(()) } else { Err(output) }
}

fn run(program: impl AsRef<OsStr>, arguments: &[&OsStr]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("LD_LIBRARY_PATH", libraries())
        .env("DYLD_LIBRARY_PATH", libraries())
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {text}", output.status);
    text
}

fn compile_and_run(source: &str, flags: &[&str], arguments: &[&OsStr]) -> Option<String> {
    let compiler = compiler()?;
    let folder = TempDir::new().unwrap();
    let binary = folder.path().join("program");
    if let Err(output) = compile(&compiler, &root().join(source), flags, &binary) {
        panic!("{source}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Some(run(&binary, arguments))
}

#[test]
fn a_program_for_the_known_bridge_compiles_unchanged_and_runs() {
    let Some(text) = compile_and_run("examples/c/known_bridge.c", &[], &[]) else { return };
    assert!(text.starts_with("1 program compiled, largest difference from the C loop 0.0"), "{text}");
}

#[test]
fn the_example_of_ports_prints_them_and_a_reason_with_its_place() {
    let Some(text) = compile_and_run("examples/c/ports.c", &[], &[]) else { return };
    for part in [
        "engine virtual-f32",
        "--> program:1:21",
        "input `a`: [1, 2, 1, 3], 24 bytes, 128 in a surface with rows of 64",
        "output `product`: [1, 2, 1, 3]",
        "6 + 60 = 66, 6 * 60 = 360",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

#[test]
fn every_misuse_is_refused() {
    let Some(text) = compile_and_run("crates/engrad-bridge/tests/c/misuse.c", &[], &[]) else { return };
    assert_eq!(text, "every misuse was refused\n");
}

#[test]
fn no_misuse_touches_memory_that_is_not_the_callers() {
    let Some(compiler) = compiler() else { return };
    let folder = TempDir::new().unwrap();
    let binary = folder.path().join("program");
    let flags = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let empty = folder.path().join("empty.c");
    std::fs::write(&empty, "int main(void) { return 0; }\n").unwrap();
    if compile(&compiler, &empty, &flags, &binary).is_err() || !runs(binary.to_str().unwrap(), &[]) {
        println!("skipped: `{compiler}` has no address sanitizer that works here");
        return;
    }
    let flags: Vec<&str> = flags.into();
    // Leaks are looked for too: what the library keeps for the life of the process stays reachable.
    let text = compile_and_run("crates/engrad-bridge/tests/c/misuse.c", &flags, &[]);
    assert_eq!(text.as_deref(), Some("every misuse was refused\n"));
}

#[test]
fn the_apple_engine_takes_the_same_program_on_the_stand_in() {
    let stand_in = library("engrad_apple_standin");
    let source = "crates/engrad-bridge/tests/c/stand_in.c";
    let Some(text) = compile_and_run(source, &[], &[stand_in.as_os_str()]) else { return };
    assert_eq!(text, "right\n");
}

#[test]
fn the_header_is_valid_cpp() {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if !runs(&compiler, &["--version"]) {
        println!("skipped: no C++ compiler `{compiler}`");
        return;
    }
    let folder = TempDir::new().unwrap();
    let source = folder.path().join("header.cpp");
    std::fs::write(&source, "#include \"ane_bridge.h\"\nint main() { return ane_bridge_init(); }\n").unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let output = Command::new(&compiler)
        .args(["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"])
        .args([&include, &source])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_python_example_runs() {
    if !runs("python3", &["-c", "import ctypes"]) {
        println!("skipped: no python3 with ctypes");
        return;
    }
    let script = root().join("examples/python/bridge.py");
    let text = run("python3", &[script.as_os_str(), library("engrad_bridge").as_os_str()]);
    for part in ["x [1, 4, 1, 8] 128 bytes", "softmax agrees", "a freed kernel is refused: "] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}
