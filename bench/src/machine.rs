//! The machine, as far as it matters for the numbers.

use std::process::Command;

/// One sentence: processor, cores, memory, compiler.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unknown processor".into());
    let kilobytes: u64 = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0);
    let virtual_machine =
        std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor"));
    let compiler = Command::new("rustc")
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(
            || "rustc".to_string(),
            |text| text.split(" (").next().unwrap_or("rustc").trim().to_string(),
        );
    format!(
        "Measured on {processor}, {cores} cores{}, {:.0} GB of memory, {}; {compiler}, `--release` as Cargo has it.",
        if virtual_machine { " of a virtual machine" } else { "" },
        kilobytes as f64 / 1e6,
        std::env::consts::OS,
    )
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

/// The kind of the file system that a directory is on.
pub fn file_system(directory: &std::path::Path) -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let at = words.nth(1)?;
            directory.starts_with(at).then_some((at.len(), words.next()?))
        })
        .max()
        .map_or_else(|| "an unknown file system".into(), |(_, kind)| kind.to_string())
}

/// The resident memory of this process in bytes.
pub fn resident() -> u64 {
    let kilobytes = field("/proc/self/status", "VmRSS").unwrap_or_default();
    kilobytes.trim_end_matches("kB").trim().parse::<u64>().map_or(0, |k| k * 1024)
}
