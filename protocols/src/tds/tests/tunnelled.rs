//! With keys, what TLS hides is read as if it stood in the clear, whichever way TLS got around it.

use super::*;
use crate::contract::Limits;
use crate::driver::Driver;

fn opened(name: &str) -> Recorder {
    let keys = testing::fixture_keys(name).unwrap().expect("keys beside the fixture");
    testing::run_with_keys(&testing::fixture(name).unwrap(), Some(&keys))
}

fn tls_record(recorder: &Recorder) -> usize {
    recorder.transactions().filter(|(of, _)| *of == AppProto::Tls).count()
}

#[test]
fn full_encryption_is_opened_with_keys() {
    let mut words = Vec::new();
    for name in ["tds_tls_0", "tds_tls_1", "tds_tls_2"] {
        let recorder = opened(name);
        assert!(recorder.anomalies().is_empty(), "{name}: {:?}", recorder.anomalies());
        assert!(tls_record(&recorder) > 0, "{name}: the handshake is told");
        let fields = login(&recorder);
        assert_eq!(
            (text(object(&fields, "login"), "user"), object(&fields, "reply").get("ok")),
            ("sa", Some(&true.into())),
            "{name}"
        );
        let told = requests(&recorder);
        let answered = told.iter().filter(|fields| fields.get("reply").is_some()).count();
        assert!(answered > 0 && answered * 2 == told.len(), "{name}: {answered} of {}", told.len());
        // What the sensor scans as the stream.
        assert!(recorder.events.iter().any(|event| matches!(event, Event::Plaintext(UP, _))), "{name}");
        let named =
            recorder.events.iter().filter_map(|event| if let Event::Confirmed(name) = event { Some(*name) } else { None });
        assert!(named.into_iter().all(|named| named == AppProto::Tds), "{name}: TLS inside does not name the flow");
        words.extend(texts(&recorder));
    }
    for word in ["sp_configure", "xp_cmdshell", "Credentials"] {
        assert!(words.iter().any(|text| text.contains(word)), "{word} in {words:?}");
    }
}

#[test]
fn without_its_keys_a_login_is_told_as_hidden_when_nothing_is_waited_for_any_more() {
    let other = testing::fixture_keys("tls12_echo_gcm").unwrap().unwrap();
    let script = testing::fixture("tds_tls_0").unwrap();
    let (mut recorder, mut driver) = (Recorder::default(), Driver::with_keys(Limits::default(), Some(other)));
    for (direction, bytes) in &script {
        driver.data(*direction, bytes, &mut recorder);
    }
    assert!(driver.is_waiting());
    assert!(recorder.transactions().all(|(_, fields)| fields.get("login").is_none()), "it may still be opened");
    testing::close(&mut driver, &mut recorder);
    let fields = login(&recorder);
    assert_eq!(object(&fields, "login").get("encrypted"), Some(&Fact::Bool(true)));
    assert!(requests(&recorder).is_empty() && recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
}

#[test]
fn keys_that_come_late_open_what_waited() {
    let (ring, script) = (std::sync::Arc::new(crate::tls::KeyRing::new()), testing::fixture("tds_tls_1").unwrap());
    let (mut recorder, mut driver) = (Recorder::default(), Driver::with_keys(Limits::default(), Some(ring.clone())));
    for (direction, bytes) in &script {
        driver.data(*direction, bytes, &mut recorder);
    }
    assert!(driver.is_waiting() && requests(&recorder).is_empty());
    for direction in Direction::BOTH {
        driver.close(direction, &mut recorder);
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tds_tls_1.keylog");
    ring.add_whole_key_log(&std::fs::read(path).unwrap());
    driver.poll(&mut recorder);
    assert!(!driver.is_waiting());
    driver.stop_waiting(&mut recorder);
    let known = opened("tds_tls_1");
    assert_eq!(requests(&recorder), requests(&known));
    assert_eq!(login(&recorder), login(&known));
}

/// TDS 8.0: TLS first, PRELOGIN and all else inside.
#[test]
fn tds_8_is_the_same_inside() {
    let (recorder, clear) = (opened("tds_tls_8"), testing::run(&testing::fixture("tds_cmdshell_0").unwrap()));
    assert!(recorder.anomalies().is_empty(), "{:?}", recorder.anomalies());
    let told = |recorder: &Recorder| {
        let tds = recorder.transactions().filter(|(of, _)| *of == AppProto::Tds);
        tds.map(|(_, fields)| fields.clone()).collect::<Vec<_>>()
    };
    assert!(told(&clear).len() > 4);
    let (inside, clear) = (told(&recorder), told(&clear));
    assert_eq!(inside[1..], clear[1..]);
    assert_eq!(text(object(&inside[0], "session"), "encryption"), "strict", "whatever PRELOGIN says");
    assert!(tls_record(&recorder) > 0);
}

/// The records of a login are hidden, and the bytes behind them are packets again: in any order of arrival.
#[test]
fn a_login_in_tls_gives_the_stream_back() {
    for name in ["tds_tls_login_0", "tds_tls_login_1", "tds_tls_login_2"] {
        let script = testing::fixture(name).unwrap();
        let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
        for (direction, bytes) in &script {
            driver.data(*direction, bytes, &mut recorder);
        }
        assert!(!driver.is_encrypted(), "{name}: what follows the login is in the clear, to be scanned");
        assert!(tls_record(&recorder) > 0, "{name}: the handshake is told");
    }
}

/// A server that has ended answers nobody: the login is told as unanswered, once, however many records follow.
#[test]
fn a_hidden_login_is_told_once() {
    let script = testing::fixture("tds_tls_login_0").unwrap();
    let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
    let sealed = |bytes: &[u8]| bytes.first() == Some(&0x17);
    let at = script.iter().position(|(direction, bytes)| *direction == UP && sealed(bytes)).unwrap();
    for (direction, bytes) in &script[..at] {
        driver.data(*direction, bytes, &mut recorder);
    }
    driver.close(DOWN, &mut recorder);
    for _ in 0..5 {
        for byte in &script[at].1 {
            driver.data(UP, &[*byte], &mut recorder);
        }
    }
    testing::close(&mut driver, &mut recorder);
    let logins = recorder.transactions().filter(|(_, fields)| fields.get("login").is_some()).count();
    assert_eq!(logins, 2, "seen, and unanswered");
}
