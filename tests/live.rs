//! A live interface: `scripts/live-test.sh` replays a capture onto one end of a veth pair while the sensor listens on the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::process::Command;

#[test]
fn alerts_of_a_live_interface_are_on_disk_while_it_runs() {
    let output = Command::new("bash")
        .arg("scripts/live-test.sh")
        .arg(env!("CARGO_BIN_EXE_backstop"))
        .current_dir(common::top())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", common::stderr(&output));
    assert!(said.contains("live capture: alerts on disk") || said.starts_with("skipped: "), "{said}");
    // A clear word in the test's output when namespaces are not permitted.
    print!("{said}");
}
