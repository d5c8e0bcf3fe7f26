//! Sessions of a real TLS stack: `openssl s_server` and `s_client` talk through a relay that keeps both directions in order;
//! what the sensor reads of it must be what was said. Skipped, with a word, where there is no openssl.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use backstop_protocols::testing::{self, Recorder, Script};
use backstop_protocols::tls::{Facts, KeyRing, KeySource};
use backstop_protocols::{Anomaly, AppProto, Content, Driver, Limits, Sink, Transaction};
use backstop_types::Direction;

const UP: Direction = Direction::ToServer;
const DOWN: Direction = Direction::ToClient;

/// What the client says; the server answers each line backwards.
const LINES: [&str; 3] = ["the first line", "and a second, somewhat longer line of text", "xy"];

/// Certificates, keys and configuration, made once a test.
struct Lab {
    folder: PathBuf,
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

impl Lab {
    /// `None` where there is no openssl.
    fn new() -> Option<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        // Two processes and their timing: on request (`./test` asks), so that the build does not depend on it.
        if std::env::var_os("BACKSTOP_OPENSSL_TESTS").is_none() {
            eprintln!("skipped: BACKSTOP_OPENSSL_TESTS=1 runs OpenSSL as a live peer");
            return None;
        }
        if Command::new("openssl").arg("version").output().is_err() {
            eprintln!("skipped: there is no openssl");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("backstop-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let lab = Self { folder };
        for (name, options) in [("plain", ""), ("noems", "Options = -ExtendedMasterSecret\n")] {
            let text = format!(
                "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMinProtocol = TLSv1\n\
                 CipherString = ALL:@SECLEVEL=0\n{options}[req]\ndistinguished_name = d\n[d]\n"
            );
            fs::write(lab.folder.join(name), text).unwrap();
        }
        for (name, kind) in [("rsa", "rsa:2048"), ("ec", "ec")] {
            let mut command = lab.openssl("plain", "req");
            command.args(["-x509", "-nodes", "-days", "30", "-subj", "/CN=lab.example", "-newkey", kind]);
            if name == "ec" {
                command.args(["-pkeyopt", "ec_paramgen_curve:prime256v1"]);
            }
            command.arg("-keyout").arg(lab.folder.join(format!("{name}.key")));
            command.arg("-out").arg(lab.folder.join(format!("{name}.crt")));
            assert!(command.stderr(Stdio::null()).status().unwrap().success());
        }
        Some(lab)
    }

    fn openssl(&self, configuration: &str, command: &str) -> Command {
        let mut openssl = Command::new("openssl");
        openssl.arg(command).env("OPENSSL_CONF", self.folder.join(configuration)).current_dir(&self.folder);
        openssl
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).unwrap_or_default()
    }
}

/// A server that is stopped when the test is over.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[derive(Clone, Copy, Default)]
struct Case<'a> {
    version: &'a str,
    cipher: &'a str,
    server: &'a [&'a str],
    client: &'a [&'a str],
    ecdsa: bool,
    no_ems: bool,
}

impl Case<'_> {
    fn configuration(&self) -> &'static str {
        if self.no_ems { "noems" } else { "plain" }
    }

    fn serve(&self, lab: &Lab) -> (Server, u16) {
        let name = if self.ecdsa { "ec" } else { "rsa" };
        let mut command = lab.openssl(self.configuration(), "s_server");
        command.args(["-accept", "127.0.0.1:0", &format!("-{}", self.version)]);
        command.args(["-cert", &format!("{name}.crt"), "-key", &format!("{name}.key")]);
        if !self.server.contains(&"-early_data") {
            command.arg("-rev");
        }
        command.args(self.server).args(self.suite());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let server = Server(child);
        // The system chooses the port, and the server says it: `ACCEPT 127.0.0.1:40001`.
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the server does not start");
            if let Some(port) = line.strip_prefix("ACCEPT").and_then(|rest| rest.trim_end().rsplit(':').next()?.parse().ok()) {
                break port;
            }
        };
        thread::spawn(move || drop(std::io::copy(&mut said, &mut std::io::sink())));
        (server, port)
    }

    fn suite(&self) -> Vec<String> {
        let list = if self.version == "tls1_3" { "-ciphersuites" } else { "-cipher" };
        let level = if self.version == "tls1_3" { "" } else { ":@SECLEVEL=0" };
        vec![list.to_owned(), format!("{}{level}", self.cipher)]
    }

    /// One session through the relay: what went over the wire, in order.
    fn talk(&self, lab: &Lab, port: u16, extra: &[&str], lines: &[&str]) -> Script {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay_port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(Script::new()));
        let kept = Arc::clone(&script);
        let relay = thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (client_again, server_again) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let kept_too = Arc::clone(&kept);
            let up = thread::spawn(move || pass(client, server, UP, &kept_too));
            pass(server_again, client_again, DOWN, &kept);
            up.join().unwrap();
        });
        let mut command = lab.openssl(self.configuration(), "s_client");
        command.args(["-connect", &format!("127.0.0.1:{relay_port}"), "-keylogfile", "keys.log", &format!("-{}", self.version)]);
        command.args(self.client).args(self.suite()).args(extra);
        let mut client = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdin = client.stdin.take().unwrap();
        settle(&script, 0);
        for line in lines {
            let before = answers(&script);
            stdin.write_all(line.as_bytes()).unwrap();
            // Newer clients send the end of a line behind a command.
            if line.len() > 1 {
                stdin.write_all(b"\n").unwrap();
            }
            // A command of the client, or a server that does not answer, has no more to wait for than silence.
            let answered = line.len() > 1 && !self.server.contains(&"-early_data");
            settle(&script, if answered { before + 1 } else { 0 });
        }
        stdin.write_all(b"Q\n").unwrap();
        drop(stdin);
        client.wait().unwrap();
        relay.join().unwrap();
        std::mem::take(&mut *script.lock().unwrap())
    }
}

/// How often the server said something.
fn answers(script: &Mutex<Script>) -> usize {
    script.lock().unwrap().iter().filter(|(direction, _)| *direction == DOWN).count()
}

/// Waits until the server said something that often, and then until nobody says any more.
fn settle(script: &Mutex<Script>, wanted: usize) {
    let started = Instant::now();
    let mut last = usize::MAX;
    loop {
        let now = script.lock().unwrap().len();
        let said = now > 0 && answers(script) >= wanted;
        if (said && now == last) || started.elapsed() > Duration::from_secs(10) {
            return;
        }
        last = now;
        thread::sleep(Duration::from_millis(60));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, direction: Direction, script: &Mutex<Script>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(len) = from.read(&mut buffer) {
        if len == 0 {
            break;
        }
        // Kept before it goes on: what answers it comes later.
        script.lock().unwrap().push((direction, buffer[..len].to_vec()));
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

#[derive(Default)]
struct Opened {
    up: Vec<u8>,
    down: Vec<u8>,
    facts: Facts,
    anomalies: Vec<&'static str>,
    subject: bool,
}

impl Sink for Opened {
    fn transaction(&mut self, transaction: &Transaction<'_>) {
        if let Transaction::Tls(tx) = transaction {
            self.facts = tx.facts.clone();
            self.subject |= tx.is_record() && tx.fields().get("subject").is_some();
        }
    }
    fn anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.push(anomaly.event);
    }
    fn content(&mut self, _: Content<'_>) {}
    fn plaintext(&mut self, direction: Direction, bytes: &[u8]) {
        if direction == UP { self.up.extend_from_slice(bytes) } else { self.down.extend_from_slice(bytes) }
    }
    fn confirmed(&mut self, _: AppProto) {}
    fn in_sync(&mut self, _: AppProto, _: Direction, _: bool) {}
}

fn open(script: &Script, keys: &Arc<KeyRing>) -> Opened {
    let (mut opened, mut driver) = (Opened::default(), Driver::with_keys(Limits::default(), Some(Arc::clone(keys))));
    for (direction, bytes) in script {
        driver.data(*direction, bytes, &mut opened);
    }
    testing::close(&mut driver, &mut opened);
    opened
}

fn key_log(lab: &Lab) -> Arc<KeyRing> {
    let ring = KeyRing::new();
    let report = ring.add_key_log(&lab.read("keys.log"));
    assert!(report.added > 0 && report.malformed == 0, "{report:?}");
    Arc::new(ring)
}

fn private_key(lab: &Lab) -> Arc<KeyRing> {
    let ring = KeyRing::new();
    assert_eq!(ring.add_rsa_key(&lab.read("rsa.key")), Ok(true));
    assert_eq!(ring.add_rsa_key(&lab.read("rsa.key")), Ok(false));
    Arc::new(ring)
}

fn said(lines: &[&str]) -> (String, String) {
    let up = lines.iter().map(|line| format!("{line}\n")).collect();
    let down = lines.iter().map(|line| format!("{}\n", line.chars().rev().collect::<String>())).collect();
    (up, down)
}

#[track_caller]
fn assert_read(what: &str, script: &Script, keys: &Arc<KeyRing>, source: KeySource, lines: &[&str]) -> Opened {
    let opened = open(script, keys);
    let (up, down) = said(lines);
    assert_eq!(opened.facts.why_not, None, "{what}: {:?}", opened.facts.cipher_name());
    assert_eq!(String::from_utf8_lossy(&opened.up), up, "{what}");
    assert_eq!(String::from_utf8_lossy(&opened.down), down, "{what}");
    assert!(opened.anomalies.is_empty(), "{what}: {:?}", opened.anomalies);
    assert_eq!(opened.facts.key_source, Some(source), "{what}");
    assert!(opened.facts.decrypted);
    let whole = testing::run_with_keys(script, Some(keys));
    let cut = testing::run_in_pieces(script, Some(keys), |len| vec![3; len / 3]);
    assert_eq!(whole.events, cut.events, "{what}");
    opened
}

#[test]
fn every_suite_of_every_version_is_read_with_a_key_log() {
    let Some(lab) = Lab::new() else { return };
    let cbc = [("ECDHE-RSA-AES128-SHA", false), ("ECDHE-RSA-AES256-SHA", false), ("AES128-SHA", false), ("AES256-SHA", false)];
    let mut cases: Vec<(&str, &str, bool, &[&str])> = Vec::new();
    for version in ["tls1", "tls1_1", "tls1_2"] {
        for (cipher, ecdsa) in cbc {
            cases.push((version, cipher, ecdsa, &[]));
            cases.push((version, cipher, ecdsa, &["-no_etm"]));
        }
    }
    for cipher in ["ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "AES128-SHA256", "AES256-SHA256"] {
        cases.push(("tls1_2", cipher, false, &[]));
        cases.push(("tls1_2", cipher, false, &["-no_etm"]));
    }
    for (cipher, ecdsa) in [
        ("ECDHE-RSA-AES128-GCM-SHA256", false),
        ("ECDHE-RSA-AES256-GCM-SHA384", false),
        ("DHE-RSA-AES128-GCM-SHA256", false),
        ("AES128-GCM-SHA256", false),
        ("AES256-GCM-SHA384", false),
        ("AES128-CCM", false),
        ("AES256-CCM8", false),
        ("ECDHE-ECDSA-AES128-CCM", true),
        ("ECDHE-ECDSA-AES256-CCM8", true),
        ("ECDHE-ECDSA-AES256-SHA384", true),
        ("ECDHE-RSA-CHACHA20-POLY1305", false),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", true),
    ] {
        cases.push(("tls1_2", cipher, ecdsa, &[]));
    }
    for cipher in [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ] {
        cases.push(("tls1_3", cipher, cipher.contains("CHACHA"), &[]));
    }
    // They wait for one another more than they work.
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(&(version, cipher, ecdsa, client)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let case = Case { version, cipher, ecdsa, client, ..Case::default() };
                    let (_server, port) = case.serve(&lab);
                    let script = case.talk(&lab, port, &[], &LINES);
                    let what = format!("{version} {cipher} {client:?}");
                    let opened = assert_read(&what, &script, &key_log(&lab), KeySource::KeyLog, &LINES);
                    // The certificate is in the record, in TLS 1.3 as it was opened.
                    assert!(opened.subject, "{what}");
                }
            });
        }
    });
}

#[test]
fn client_certificates_are_told_and_change_nothing() {
    let Some(lab) = Lab::new() else { return };
    for (version, cipher) in
        [("tls1_2", "ECDHE-RSA-AES256-GCM-SHA384"), ("tls1_2", "AES128-SHA"), ("tls1_3", "TLS_AES_256_GCM_SHA384")]
    {
        let case = Case {
            version,
            cipher,
            server: &["-verify", "1"],
            client: &["-cert", "ec.crt", "-key", "ec.key"],
            ..Case::default()
        };
        let (_server, port) = case.serve(&lab);
        let script = case.talk(&lab, port, &[], &LINES);
        let opened = assert_read(version, &script, &key_log(&lab), KeySource::KeyLog, &LINES);
        assert!(opened.facts.client_certificate, "{version} {cipher}");
    }
}

#[test]
fn rsa_key_exchange_is_read_with_the_private_key() {
    let Some(lab) = Lab::new() else { return };
    for (version, cipher) in [
        ("tls1", "AES128-SHA"),
        ("tls1_1", "AES256-SHA"),
        ("tls1_2", "AES128-SHA"),
        ("tls1_2", "AES256-SHA256"),
        ("tls1_2", "AES256-GCM-SHA384"),
        ("tls1_2", "AES128-CCM"),
    ] {
        for no_ems in [false, true] {
            let case = Case { version, cipher, no_ems, ..Case::default() };
            let (_server, port) = case.serve(&lab);
            let script = case.talk(&lab, port, &[], &LINES);
            let what = format!("{version} {cipher} {no_ems}");
            assert_read(&what, &script, &private_key(&lab), KeySource::RsaKey, &LINES);
            // The key log comes first where both know the session.
            let both = private_key(&lab);
            both.add_whole_key_log(&lab.read("keys.log"));
            assert_read(&what, &script, &both, KeySource::KeyLog, &LINES);
        }
    }
}

#[test]
fn a_private_key_says_that_it_does_not_open_other_key_exchanges() {
    let Some(lab) = Lab::new() else { return };
    for (version, cipher) in [("tls1_2", "ECDHE-RSA-AES128-GCM-SHA256"), ("tls1_3", "TLS_AES_128_GCM_SHA256")] {
        let case = Case { version, cipher, ..Case::default() };
        let (_server, port) = case.serve(&lab);
        let opened = open(&case.talk(&lab, port, &[], &LINES), &private_key(&lab));
        assert_eq!(opened.facts.why_not, Some("dhe_needs_key_log"));
        assert!(!opened.facts.decrypted && opened.up.is_empty() && opened.anomalies.is_empty());
    }
}

#[test]
fn sessions_that_are_taken_up_again_are_read() {
    let Some(lab) = Lab::new() else { return };
    for (version, cipher, server, rsa) in [
        ("tls1_2", "ECDHE-RSA-AES128-GCM-SHA256", &[][..], false),
        ("tls1_2", "ECDHE-RSA-AES128-GCM-SHA256", &["-no_ticket"][..], false),
        ("tls1_2", "AES128-GCM-SHA256", &[][..], true),
        ("tls1_2", "AES128-GCM-SHA256", &["-no_ticket"][..], true),
        ("tls1", "AES128-SHA", &["-no_ticket"][..], true),
        ("tls1_3", "TLS_AES_128_GCM_SHA256", &[][..], false),
    ] {
        let case = Case { version, cipher, server, ..Case::default() };
        let (_server, port) = case.serve(&lab);
        let first = case.talk(&lab, port, &["-sess_out", "session"], &LINES);
        let second = case.talk(&lab, port, &["-sess_in", "session"], &LINES);
        let what = format!("{version} {cipher} {server:?}");
        let opened = assert_read(&what, &second, &key_log(&lab), KeySource::KeyLog, &LINES);
        assert_eq!(opened.facts.resumed, version != "tls1_3", "{what}");
        if rsa {
            let opened = open(&second, &private_key(&lab));
            assert_eq!(opened.facts.why_not, Some("resumed_unknown"), "{what}");
            let keys = private_key(&lab);
            assert_read(&what, &first, &keys, KeySource::RsaKey, &LINES);
            assert_read(&what, &second, &keys, KeySource::RsaKey, &LINES);
        }
    }
}

#[test]
fn updates_of_keys_and_requests_to_retry_are_followed() {
    let Some(lab) = Lab::new() else { return };
    let update = Case { version: "tls1_3", cipher: "TLS_AES_256_GCM_SHA384", ..Case::default() };
    let (_server, port) = update.serve(&lab);
    // `K` asks the server to change its keys, too; `k` changes only those of the client.
    let script = update.talk(&lab, port, &[], &["one", "K", "two", "k", "three"]);
    assert_read("key update", &script, &key_log(&lab), KeySource::KeyLog, &["one", "two", "three"]);
    let retry = Case {
        version: "tls1_3",
        cipher: "TLS_AES_128_GCM_SHA256",
        server: &["-groups", "P-384"],
        client: &["-groups", "X25519:P-384"],
        ..Case::default()
    };
    let (_server, port) = retry.serve(&lab);
    let script = retry.talk(&lab, port, &[], &LINES);
    let opened = assert_read("retry", &script, &key_log(&lab), KeySource::KeyLog, &LINES);
    assert!(opened.facts.retried);
}

#[test]
fn early_data_is_counted_and_the_rest_is_read() {
    let Some(lab) = Lab::new() else { return };
    let case = Case {
        version: "tls1_3",
        cipher: "TLS_AES_128_GCM_SHA256",
        server: &["-early_data", "-no_anti_replay"],
        ..Case::default()
    };
    let (_server, port) = case.serve(&lab);
    case.talk(&lab, port, &["-sess_out", "session"], &["warm up"]);
    fs::write(lab.folder.join("early"), "said too early\n").unwrap();
    let script = case.talk(&lab, port, &["-sess_in", "session", "-early_data", "early"], &["said in time"]);
    let opened = open(&script, &key_log(&lab));
    assert!(opened.facts.early_records > 0, "{:?}", opened.facts.client_hello);
    assert_eq!(String::from_utf8_lossy(&opened.up), "said in time\n");
    assert!(opened.anomalies.is_empty(), "{:?}", opened.anomalies);
    let recorder: Recorder = testing::run_with_keys(&script, Some(&key_log(&lab)));
    assert!(recorder.events.contains(&testing::Event::PlaintextGap(UP, None)));
}
