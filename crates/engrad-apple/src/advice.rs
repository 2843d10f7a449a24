//! What is known of the framework's errors (ane-facts 1.13), as a table.

use crate::error::Phase;

const COMPILER: &str = "com.apple.appleneuralengine.compiler";
const ENGINE: &str = "com.apple.appleneuralengine";

struct Row {
    /// Empty: any.
    domain: &'static str,
    code: Option<i64>,
    /// Part of the framework's text.
    text: &'static str,
    advice: &'static str,
}

/// The first row that fits is taken.
const ROWS: &[Row] = &[
    Row {
        domain: COMPILER,
        code: Some(1),
        text: "InvalidMILProgram",
        advice: "the compiler does not accept the text: a type error, an unsupported operation, a missing argument, or a \
                 weight file that is not on disk",
    },
    Row {
        domain: COMPILER,
        code: Some(1),
        text: "CompilationFailure",
        advice: "the text is accepted but cannot be lowered: a shape, a size or a combination of operations beyond this \
                 chip",
    },
    Row {
        domain: COMPILER,
        code: None,
        text: "internal error",
        advice: "the compile helper crashed; it restarts by itself, and compiles of every client wait meanwhile",
    },
    Row {
        domain: COMPILER,
        code: None,
        text: "helper application",
        advice: "the compile helper crashed; it restarts by itself, and compiles of every client wait meanwhile",
    },
    Row {
        domain: ENGINE,
        code: None,
        text: "0x20004",
        advice: "the device has no place for the program: about 128 can be loaded at once; release some, or make this one \
                 smaller",
    },
    Row {
        domain: ENGINE,
        code: Some(8),
        text: "status=0x1d",
        advice: "a surface is smaller than the program's port, or surfaces are missing or in another order",
    },
    Row {
        domain: ENGINE,
        code: Some(15),
        text: "",
        advice: "chaining needs other output sets than those given",
    },
    Row { domain: "", code: None, text: "0xe0000404", advice: "the firmware did not answer in time" },
    Row {
        domain: "",
        code: None,
        text: "0xe00002be",
        advice: "the driver has no resources left; release programs",
    },
    Row { domain: "", code: None, text: "0xe00002c2", advice: "the driver was given a bad argument" },
    Row {
        domain: "",
        code: None,
        text: "0xe00002c7",
        advice: "not supported here, or it needs an entitlement that third-party programs do not have",
    },
    Row {
        domain: "",
        code: None,
        text: "0xe00002e2",
        advice: "the driver refuses programs that are not signed",
    },
    Row {
        domain: ENGINE,
        code: Some(8),
        text: "status=0x",
        advice: "the device stopped in the middle of the program; results are not to be used",
    },
];

pub(crate) fn find(phase: Phase, domain: &str, code: i64, text: &str) -> Option<&'static str> {
    let fits = |row: &&Row| {
        (row.domain.is_empty() || row.domain == domain)
            && row.code.is_none_or(|c| c == code)
            && text.contains(row.text)
    };
    match ROWS.iter().find(fits) {
        Some(row) => Some(row.advice),
        None if phase == Phase::Compile && domain.is_empty() => Some(
            "the framework gave no reason; after about 119 compiles in one process it refuses every further one",
        ),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_special_row_comes_first() {
        let found = |domain, code, text| find(Phase::Evaluate, domain, code, text).unwrap_or_default();
        assert!(found(ENGINE, 8, "failed with status=0x1d : statusType=0x9").contains("smaller than"));
        assert!(found(ENGINE, 8, "failed with status=0x16 : statusType=0x9").contains("in the middle"));
        assert!(found(COMPILER, 1, "ANECCompile() FAILED: err=(InvalidMILProgram)").contains("accept"));
        assert_eq!(find(Phase::Load, "NSPOSIXErrorDomain", 2, "no such file"), None);
    }
}
