//! What the runtime has is compared with what is known before any message is sent.
//!
//! A process looks things up once for each library, so that every case here gets a copy of the stand-in of its own.

use std::ffi::{CString, c_char};
use std::path::PathBuf;

use engrad_apple::{AppleEngine, AppleError, Options, Source};
use libloading::Library;

fn copy(name: &str) -> PathBuf {
    let file = libloading::library_filename("engrad_apple_standin");
    let original = std::env::current_exe().unwrap().parent().unwrap().join(file);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let copy = folder.join(format!("{name}-{}.so", std::process::id()));
    std::fs::copy(original, &copy).unwrap();
    copy
}

/// The error of an engine on a stand-in that was changed by a control function.
fn refusal(case: &str, control: &str, argument: &str) -> Result<AppleEngine, AppleError> {
    let path = copy(case);
    // SAFETY: the stand-in's initialiser makes some constants.
    let library: &'static Library = Box::leak(Box::new(unsafe { Library::new(&path) }.unwrap()));
    type Control = unsafe extern "C" fn(*const c_char);
    // SAFETY: the type is that of both control functions; the text is terminated.
    unsafe {
        (library.get::<Control>(control.as_bytes()).unwrap())(CString::new(argument).unwrap().as_ptr())
    };
    let engine = AppleEngine::new(Options { source: Source::Library(path.clone()), ..Options::default() });
    std::fs::remove_file(path).unwrap();
    engine
}

#[test]
fn a_missing_class_or_method_and_other_types_are_named() {
    for (case, control, name, expected) in [
        ("class", "standin_hide", "_ANERequest", "`_ANERequest` has no method `requestWithInputs:"),
        (
            "method",
            "standin_hide",
            "unloadWithQoS:error:",
            "`_ANEInMemoryModel` has no method `unloadWithQoS:error:`",
        ),
        (
            "types",
            "standin_reencode",
            "compileWithQoS:options:error:",
            "`_ANEInMemoryModel`'s method `compileWithQoS:options:error:` has other types than known: v16@0:8d16",
        ),
    ] {
        let failed = refusal(case, control, name).unwrap_err().to_string();
        assert!(failed.starts_with("the Neural Engine is not available: "), "{failed}");
        assert!(failed.contains(expected), "{failed}");
    }
}

#[test]
fn what_only_probes_need_may_be_missing() {
    for (case, name) in [("client", "_ANEClient"), ("map", "mapIOSurfacesWithRequest:cacheInference:error:")]
    {
        refusal(case, "standin_hide", name).unwrap();
    }
}
