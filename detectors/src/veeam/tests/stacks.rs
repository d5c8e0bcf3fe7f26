//! 9401010: hellos of Windows and of others.

use super::wire::{DOWN, GCM12, UP, VIA, client_hello, preamble, server_hello, u16s};
use crate::testing::{Flow, object, text};
use crate::{DetectConfig, Outcome};

const SID: u64 = 9_401_010;
/// Signature algorithms that Windows 10 and 11 offer (from a published JA4 text).
const SIGNATURES: [u16; 12] = [0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0201, 0x0403, 0x0503, 0x0203, 0x0202, 0x0601, 0x0603];

/// The conversation that a JA3 text describes.
fn flow_of(ja3: &str, signatures: &[u16], config: DetectConfig) -> Flow {
    let parts: Vec<&str> = ja3.split(',').collect();
    let numbers = |part: &str| -> Vec<u16> { part.split('-').filter_map(|number| number.parse().ok()).collect() };
    let list16 = |values: &[u16]| [u16s(&[values.len() as u16 * 2]), u16s(values)].concat();
    let formats: Vec<u8> = numbers(parts[4]).into_iter().map(|format| format as u8).collect();
    let body = |kind: u16| match kind {
        0 => b"\0\x0e\0\0\x0bvbr.example".to_vec(),
        10 => list16(&numbers(parts[3])),
        11 => [&[formats.len() as u8], formats.as_slice()].concat(),
        13 => list16(signatures),
        16 => b"\0\x09\x08http/1.1".to_vec(),
        43 => vec![4, 3, 4, 3, 3],
        0xff01 => vec![0],
        _ => Vec::new(),
    };
    let extensions: Vec<(u16, Vec<u8>)> = numbers(parts[2]).into_iter().map(|kind| (kind, body(kind))).collect();
    let hello = client_hello(parts[0].parse().unwrap(), &numbers(parts[1]), &extensions);
    let mut flow = Flow::new(config);
    flow.replay_script(&vec![(UP, preamble(VIA)), (DOWN, vec![0x0a]), (UP, hello), (DOWN, server_hello(GCM12))], 65_536);
    flow
}

fn differences(ja3: &str) -> Vec<String> {
    let flow = flow_of(ja3, &SIGNATURES, DetectConfig::default());
    let Some(finding) = flow.alerts(SID).first().copied() else { return Vec::new() };
    match object(&finding.context, "inference").get("differences") {
        Some(backstop_types::Value::List(list)) => list.iter().map(|one| format!("{one:?}")).collect(),
        other => panic!("{other:?}"),
    }
}

/// Published JA3 texts of programs on Windows: .NET, PowerShell, remote desktop, curl with Schannel, wininet, winhttp.
const WINDOWS: [&str; 10] = [
    // Windows 10, .NET HttpClient and Fiddler; without DHE (SCH_USE_STRONG_CRYPTO); with status request.
    "771,49196-49195-49200-49199-159-158-49188-49187-49192-49191-49162-49161-49172-49171-157-156-61-60-53-47-10,0-10-11-13-35-23-65281,29-23-24,0",
    "771,49196-49195-49200-49199-49188-49187-49192-49191-49162-49161-49172-49171-157-156-61-60-53-47-10,0-10-11-13-35-23-65281,29-23-24,0",
    "771,49196-49195-49200-49199-159-158-49188-49187-49192-49191-49162-49161-49172-49171-157-156-61-60-53-47-10,0-5-10-11-13-35-23-65281,29-23-24,0",
    "771,49196-49195-49200-49199-49188-49187-49192-49191-49162-49161-49172-49171-157-156-61-60-53-47-10,0-10-11-13-35-23-24-65281,29-23-24,0",
    // Windows 10, remote desktop.
    "771,49196-49195-49200-49199-159-158-49188-49187-49192-49191-49162-49161-49172-49171-57-51-157-156-61-60-53-47-10-106-64-56-50-19-5-4,0-5-10-11-13-35-23-65281,29-23-24,0",
    // Windows 11, curl with Schannel, TLS 1.3.
    "771,4866-4865-49196-49195-49200-49199-49188-49187-49192-49191-49162-49161-49172-49171-157-156-61-60-53-47,0-5-43-13-35-10-11-16-51-49-23-65281-45,29-23-24,0",
    // Windows 8.1.
    "771,49192-49191-49172-49171-159-158-57-51-157-156-61-60-53-47-49196-49195-49188-49187-49162-49161-106-64-56-50-10-19,0-5-10-11-13-35-23-65281,23-24,0",
    "771,49192-49191-49172-49171-159-158-57-51-157-156-61-60-53-47-49196-49195-49188-49187-49162-49161-106-64-56-50,0-10-11-13-23-65281,23-24,0",
    // Windows 7, TLS 1.0.
    "769,47-53-5-10-49171-49172-49161-49162-50-56-19-4,65281-0-5-10-11,23-24,0",
    "769,47-53-5-10-49171-49172-49161-49162-50-56-19-4,65281-10-11,23-24,0",
];

#[test]
fn windows_is_silent() {
    for ja3 in WINDOWS {
        assert_eq!(differences(ja3), Vec::<String>::new(), "{ja3}");
    }
    // The order that an administrator set, and suites that were switched on or off.
    assert!(differences("771,49200-49199-49196-49195-4867,0-10-11-13-35-23-65281,29-23-24,0").is_empty());
}

#[test]
fn the_lists_give_the_fingerprints_that_others_measured_on_windows() {
    for (ja3, signatures, ja4) in [
        (WINDOWS[2], &SIGNATURES[3..], "t12d210800_76e208dd3e22_16bbda4055b2"),
        (WINDOWS[2], &SIGNATURES, "t12d210800_76e208dd3e22_7af1ed941c26"),
        (
            "771,49196-49195-49200-49199-49188-49187-49192-49191-49162-49161-49172-49171-157-156-61-60-53-47-10,0-5-10-11-13-35-23-65281,29-23-24,0",
            &SIGNATURES[3..],
            "t12d190800_d83cc789557e_16bbda4055b2",
        ),
        (WINDOWS[5], &SIGNATURES, "t13d2013h1_2b729b4bf6f3_e24568c0d440"),
    ] {
        let flow = flow_of(ja3, signatures, DetectConfig::default());
        assert_eq!(flow.last_ja4.as_deref(), Some(ja4));
    }
}

#[test]
fn other_stacks_are_told_with_what_gives_them_away() {
    for (name, ja3, why) in [
        ("OpenSSL 3, TLS 1.2", "771,49200-255,11-10-35-22-23-13,29-23-30-25-24,0-1-2", "signalling_suite"),
        (
            "OpenSSL 3, Python, curl, Node",
            "771,4866-4867-4865-49196-49200-159-52393-52392-52394-49195-49199-158-49188-49192-107-49187-49191-103-49162-49172-57-49161-49171-51-157-156-61-60-53-47-255,0-11-10-35-22-23-13-43-45-51,29-23-30-25-24-256-257-258-259-260,0-1-2",
            "point_formats",
        ),
        (
            "Go crypto/tls",
            "771,4865-4866-4867-49195-49199-49196-49200-52393-52392-49161-49171-49162-49172-156-157-47-53-49170-10,0-5-10-11-13-65281-18-43-51,29-23-24-25,0",
            "foreign_extension",
        ),
        (
            "Firefox (NSS)",
            "771,4865-4867-4866-49195-49199-52393-52392-49196-49200-49162-49161-49171-49172-156-157-47-53,0-23-65281-10-11-35-16-5-34-51-43-13-45-28-21,29-23-24-25-256-257,0",
            "foreign_group",
        ),
        (
            "Chrome (BoringSSL)",
            "771,2570-4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53-10,2570-0-23-65281-10-11-35-16-5-13-18-51-45-43-27-2570-21,2570-29-23-24,0",
            "grease",
        ),
        (
            "Java",
            "771,4866-4865-49196-49195-49200-159-49199-158-49188-49192-107-49187-49191-103-49162-49172-57-49161-49171-51-157-156-61-60-53-47-255,0-5-10-11-17-23-35-13-43-45-50-51,29-23-24-25-30-256-257-258-259-260,0",
            "no_renegotiation_info",
        ),
        (
            "BouncyCastle",
            "771,49196-49195-49200-49199-159-158-49188-49187-49192-49191,22-23-10-11-13-65281,29-23-24,0",
            "foreign_extension",
        ),
        ("mbedTLS", "771,49196-49200-159-49325-49195-49199-255,0-13-10-11-22-23-35,29-24-23,0", "foreign_suite"),
        ("points before groups", "771,49200-49199,0-11-10-13-35-23-65281,29-23-24,0", "extension_order"),
    ] {
        let found = differences(ja3);
        assert!(found.iter().any(|one| one.contains(why)), "{name}: {found:?}");
    }
}

#[test]
fn the_evidence_and_the_switches() {
    let openssl = "771,49200-255,11-10-35-22-23-13,29-23-30-25-24,0-1-2";
    let flow = flow_of(openssl, &SIGNATURES, DetectConfig::default());
    let finding = flow.alerts(SID)[0];
    assert!(finding.suspected && finding.outcome == Outcome::Unknown);
    assert_eq!(text(&object(&finding.context, "tls"), "ja3"), "92659f5693282bf99753dcde56cba637");
    assert_eq!(text(&object(&finding.context, "nmf"), "upgrade"), "application/ssl-tls");
    let silent = |change: &dyn Fn(&mut DetectConfig)| {
        let mut config = DetectConfig::default();
        change(&mut config);
        flow_of(openssl, &SIGNATURES, config).alerts(SID).is_empty()
    };
    assert!(!silent(&|_| {}));
    assert!(silent(&|config| config.tls_stack.enabled = false));
    assert!(silent(&|config| config.tls_stack.allowed = vec!["92659F5693282bf99753dcde56cba637".to_owned()]));
    assert!(silent(&|config| config.known_clients = vec!["10.20.30.77/32".parse().unwrap()]));
    assert!(silent(&|config| config.veeam_ports = vec![9_392]));
    assert!(!silent(&|config| config.known_clients = vec!["10.20.30.5/32".parse().unwrap()]));
}

#[test]
fn a_client_that_connects_a_thousand_times_is_told_once() {
    let mut correlator = crate::Correlator::new(std::sync::Arc::new(DetectConfig::default()));
    let openssl = "771,49200-255,11-10-35-22-23-13,29-23-30-25-24,0-1-2";
    let flow = flow_of(openssl, &SIGNATURES, DetectConfig::default());
    let told: usize =
        (0..1_000).map(|_| flow.admitted(&mut correlator).iter().filter(|finding| finding.meta.sid() == SID).count()).sum();
    assert_eq!(told, 1);
}
