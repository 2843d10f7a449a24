//! What the operating system says of this machine: only what helps to understand a report, nothing that names its owner.
//!
//! Linux is read from `/proc` and `/sys`, macOS asked through its own tools: the facts are few, and a library for them
//! would link frameworks that the project otherwise loads at run time. What cannot be found out is left out.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// The machine; every text is one line.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Machine {
    /// Operating system with version.
    pub(crate) system: Option<String>,
    /// Build of macOS, or release of the kernel.
    pub(crate) build: Option<String>,
    /// The processor's marketing name.
    pub(crate) chip: Option<String>,
    /// Model identifier of a Mac.
    pub(crate) model: Option<String>,
    /// What the program was compiled for.
    pub(crate) architecture: &'static str,
    /// Instructions that kernels choose between.
    pub(crate) features: Vec<&'static str>,
    /// Threads that the process may use.
    pub(crate) threads: Option<usize>,
    /// Bytes of memory.
    pub(crate) memory: Option<u64>,
    /// Bytes of it that are free for a new process.
    pub(crate) memory_available: Option<u64>,
    /// Bytes that the process's group may use, where there is a limit.
    pub(crate) memory_limit: Option<u64>,
    /// Bytes of the disk of the current folder.
    pub(crate) disk: Option<u64>,
    /// Bytes of it that are free.
    pub(crate) disk_free: Option<u64>,
    /// Where the power comes from.
    pub(crate) power: Option<String>,
}

impl Machine {
    pub(crate) fn find() -> Self {
        let (disk, disk_free) = disk().unzip();
        let common = Self {
            architecture: std::env::consts::ARCH,
            features: features(),
            threads: std::thread::available_parallelism().ok().map(Into::into),
            disk,
            disk_free,
            ..Self::default()
        };
        match std::env::consts::OS {
            "macos" => common.of_macos(),
            _ => common.of_linux(),
        }
    }

    fn of_macos(self) -> Self {
        let sysctl = |name: &str| answer("sysctl", &["-n", name]);
        Self {
            system: answer("sw_vers", &["-productVersion"]).map(|version| format!("macOS {version}")),
            build: sysctl("kern.osversion"),
            chip: sysctl("machdep.cpu.brand_string"),
            model: sysctl("hw.model"),
            memory: sysctl("hw.memsize").and_then(|bytes| bytes.parse().ok()),
            power: answer("pmset", &["-g", "batt"])
                .and_then(|line| Some(line.split('\'').nth(1)?.to_owned())),
            ..self
        }
    }

    fn of_linux(self) -> Self {
        let memory = read("/proc/meminfo").unwrap_or_default();
        let kib = |key: &str| field(&memory, key)?.strip_suffix("kB")?.trim().parse::<u64>().ok();
        let processor = read("/proc/cpuinfo").unwrap_or_default();
        let release = read("/etc/os-release").unwrap_or_default();
        let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
        Self {
            system: name.map(|name| name.trim_matches('"').to_owned()),
            build: read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            chip: field(&processor, "model name")
                .or_else(|| field(&processor, "CPU part"))
                .map(str::to_owned),
            memory: kib("MemTotal").map(|kib| kib << 10),
            memory_available: kib("MemAvailable").map(|kib| kib << 10),
            memory_limit: read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok()),
            power: power(Path::new("/sys/class/power_supply")),
            ..self
        }
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The value of a line `key : value`.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == key).then(|| value.trim())
    })
}

/// The first line that a tool of the system prints.
fn answer(tool: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(tool).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// Size and free bytes of the current folder's disk. Of the tool's second line only the numbers are used: it names
/// devices and folders too.
fn disk() -> Option<(u64, u64)> {
    let output = Command::new("df").args(["-Pk", "."]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse_disk(&text)
}

fn parse_disk(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().nth(1)?;
    // The first numbers of the line: blocks, used, available.
    let numbers: Vec<u64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    Some((numbers.first()?.checked_mul(1024)?, numbers.get(2)?.checked_mul(1024)?))
}

/// What the supplies that Linux lists say.
fn power(folder: &Path) -> Option<String> {
    let mut mains = false;
    let mut battery = None;
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let part = |name: &str| {
            std::fs::read_to_string(entry.path().join(name))
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        match part("type").as_str() {
            "Mains" | "USB" => mains |= part("online") == "1",
            "Battery" => battery = Some(part("status").to_lowercase()),
            _ => {}
        }
    }
    match (mains, battery) {
        (true, None) => Some("mains".to_owned()),
        (true, Some(status)) => Some(format!("mains, battery {status}")),
        (false, Some(status)) => Some(format!("battery, {status}")),
        (false, None) => None,
    }
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => {{
            let mut found = Vec::new();
            $( if std::arch::is_x86_feature_detected!($name) { found.push($name); } )*
            found
        }};
    }
    present!("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512vnni", "avx512bf16")
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => {{
            let mut found = Vec::new();
            $( if std::arch::is_aarch64_feature_detected!($name) { found.push($name); } )*
            found
        }};
    }
    present!("neon", "fp16", "dotprod", "bf16", "i8mm", "sve")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_line_gives_numbers_and_no_names() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/secret 1000 400 600 40% /home/someone\n";
        assert_eq!(parse_disk(text), Some((1_024_000, 614_400)));
        assert_eq!(parse_disk("nothing"), None);
        assert_eq!(parse_disk("Filesystem\n/dev/x 18446744073709551615 1 2"), None);
    }

    #[test]
    fn power_comes_from_the_supplies_listed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(power(folder.path()), None);
        for (name, files) in [
            ("AC", [("type", "Mains\n"), ("online", "0\n")]),
            ("BAT0", [("type", "Battery\n"), ("status", "Discharging\n")]),
        ] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            for (file, text) in files {
                std::fs::write(folder.path().join(name).join(file), text).unwrap();
            }
        }
        assert_eq!(power(folder.path()).as_deref(), Some("battery, discharging"));
        std::fs::write(folder.path().join("AC/online"), "1\n").unwrap();
        assert_eq!(power(folder.path()).as_deref(), Some("mains, battery discharging"));
    }

    #[test]
    fn fields_are_found_whole() {
        assert_eq!(field("MemTotalX: 1\nMemTotal:   5 kB\n", "MemTotal"), Some("5 kB"));
        assert_eq!(field("", "MemTotal"), None);
    }
}
