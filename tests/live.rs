//! Peers that live: `scripts/live-test.sh` replays a capture onto one end of a veth pair while the sensor listens on the other;
//! `scripts/pgsql-live.sh`, `scripts/tds-live.sh` and `scripts/http-live.sh` record real clients on loopback and replay that,
//! `scripts/winrm-live.sh` and `scripts/rpc-live.sh` do it with clients of WinRM and DCE/RPC, `scripts/smb-live.sh` on a link to a namespace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::process::Command;

/// Runs a script with the binary. It says `passed` and why it passed, or why it was skipped.
fn run(script: &str, passed: &str) {
    let output =
        Command::new("bash").arg(script).arg(env!("CARGO_BIN_EXE_backstop")).current_dir(common::top()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", common::stderr(&output));
    assert!(said.contains(passed) || said.starts_with("skipped: "), "{said}");
    // A clear word in the test's output when something is missing or not permitted.
    print!("{script}: {said}");
}

#[test]
fn alerts_of_a_live_interface_are_on_disk_while_it_runs() {
    run("scripts/live-test.sh", "live capture: alerts on disk");
}

#[test]
fn a_real_postgresql_server_and_its_clients_are_understood() {
    run("scripts/pgsql-live.sh", "passed: ");
}

#[test]
fn real_tds_clients_are_understood() {
    run("scripts/tds-live.sh", "passed: ");
}

#[test]
fn a_real_samba_server_and_its_clients_are_understood() {
    run("scripts/smb-live.sh", "passed: ");
}

#[test]
fn a_real_http_server_and_its_client_are_understood() {
    run("scripts/http-live.sh", "passed: ");
}

#[test]
fn real_calls_of_impacket_are_understood() {
    run("scripts/rpc-live.sh", "passed: ");
}

#[test]
fn real_winrm_clients_are_understood() {
    run("scripts/winrm-live.sh", "passed: ");
}
