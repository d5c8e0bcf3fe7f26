//! Conversations of real clients, and what was said in them.

use super::*;
use crate::contract::Limits;
use crate::driver::Driver;

fn run(name: &str) -> Recorder {
    let recorder = testing::run(&testing::fixture(name).unwrap());
    assert!(recorder.anomalies().is_empty(), "{name}: {:?}", recorder.anomalies());
    recorder
}

/// How many texts or procedures of the conversations have a word in them.
fn count(names: &[&str], word: &str) -> usize {
    let of = |name: &&str| {
        let seen = requests(&run(name)).into_iter().filter(|fields| fields.get("reply").is_none());
        seen.flat_map(|fields| list(&fields, "statements").into_iter().cloned().collect::<Vec<_>>())
            .filter(|fields| format!("{fields:?}").contains(word))
            .count()
    };
    names.iter().map(of).sum()
}

#[test]
fn every_request_of_every_client_is_answered() {
    for name in testing::fixture_names().unwrap().iter().filter(|name| name.starts_with("tds_") && !name.starts_with("tds_tls_"))
    {
        let recorder = run(name);
        let told = requests(&recorder);
        let answered = told.iter().filter(|fields| fields.get("reply").is_some()).count();
        assert!(answered > 0 && answered * 2 == told.len(), "{name}: {answered} of {}", told.len());
        for fields in told.iter().filter(|fields| fields.get("reply").is_some()) {
            assert_eq!(object(fields, "reply").get("complete"), Some(&Fact::Bool(true)), "{name}");
        }
        let fields = login(&recorder);
        let said = object(&fields, "login");
        match said.get("integrated") {
            Some(Fact::Bool(true)) => {
                let sspi = object(said, "sspi");
                assert!(text(sspi, "mechanism") == "ntlm" && !text(sspi, "user").is_empty(), "{name}: {sspi:?}");
                assert!(!text(told.last().unwrap(), "user").is_empty(), "{name}");
            }
            _ => assert_eq!(text(said, "user"), "sa", "{name}"),
        }
    }
}

#[test]
fn commands_are_found_whatever_carries_them() {
    assert!(count(&["tds_cmdshell_0", "tds_cmdshell_1"], "sp_configure") >= 2);
    assert!(count(&["tds_cmdshell_0", "tds_cmdshell_1"], "xp_cmdshell") >= 4);
    assert!(count(&["tds_cmdshell_0", "tds_cmdshell_1"], "icsnd16_64refl.ps1") >= 2);
    let rpcs = ["tds_rpc_0", "tds_rpc_1", "tds_rpc_2", "tds_rpc_3"];
    assert!(count(&rpcs, "xp_cmdshell") >= 3);
    assert!(count(&rpcs, "icsnd16_64refl.ps1") >= 2);
    assert!(count(&rpcs, "Credentials") >= 2);
}

#[test]
fn queries_are_read_whole() {
    let names = ["tds_credentials_0", "tds_credentials_1"];
    for (word, least) in [("Credentials", 2), ("HostCreds", 1), ("JobSourceRepositories", 1), ("BackupRepositories", 1)] {
        assert!(count(&names, word) >= least, "{word}");
    }
}

#[test]
fn a_word_across_packets_is_one_word() {
    let found: Vec<_> = ["tds_packets_0", "tds_packets_1"].iter().flat_map(|name| texts_whole(name)).collect();
    assert!(found.iter().filter(|text| text.contains("xp_cmdshell")).count() >= 2);
    assert!(found.iter().any(|text| text.contains("icsnd16_64refl.ps1")));
    assert!(found.iter().all(|text| !text.contains(char::REPLACEMENT_CHARACTER)));
}

/// Texts as the scanner gets them.
fn texts_whole(name: &str) -> Vec<String> {
    let contents = run(name).events.into_iter().filter_map(|event| match event {
        Event::Content(layers, bytes, UP) if layers == ["tds.batch"] => Some(String::from_utf8(bytes).unwrap()),
        _ => None,
    });
    contents.collect()
}

#[test]
fn a_prepared_call_has_its_text() {
    let told = requests(&run("tds_rpc_1"));
    let executed: Vec<_> = told
        .iter()
        .flat_map(|fields| list(fields, "statements"))
        .filter(|fields| fields.get("prepared") == Some(&Fact::Bool(true)))
        .map(|fields| (text(fields, "procedure"), text(fields, "text")))
        .collect();
    assert!(
        !executed.is_empty() && executed.iter().all(|of| *of == ("sp_execute", "EXEC master.dbo.xp_cmdshell @c")),
        "{executed:?}"
    );
}

#[test]
fn behind_an_encrypted_login_all_is_in_the_clear() {
    for (name, word) in [("tds_tls_login_0", "xp_cmdshell"), ("tds_tls_login_1", "Credentials"), ("tds_tls_login_2", "@@VERSION")]
    {
        let recorder = run(name);
        let session = recorder.transactions().find_map(|(_, fields)| fields.get("session").cloned()).unwrap();
        let Fact::Object(session) = session else { panic!("{session:?}") };
        assert_eq!(text(&session, "encryption"), "login_only");
        let fields = login(&recorder);
        assert_eq!(object(&fields, "login").get("encrypted"), Some(&Fact::Bool(true)));
        assert_eq!(object(&fields, "reply").get("ok"), Some(&Fact::Bool(true)));
        assert!(texts(&recorder).iter().any(|text| text.contains(word)), "{name}");
    }
}

#[test]
fn full_encryption_is_told_and_nothing_is_guessed() {
    for name in ["tds_tls_0", "tds_tls_1", "tds_tls_2"] {
        let (mut recorder, mut driver) = (Recorder::default(), Driver::new(Limits::default()));
        for (direction, bytes) in testing::fixture(name).unwrap() {
            driver.data(direction, &bytes, &mut recorder);
        }
        assert!(driver.is_encrypted() && driver.app_proto() == Some(AppProto::Tds), "{name}");
        assert!(requests(&recorder).is_empty() && recorder.anomalies().is_empty(), "{name}: {:?}", recorder.anomalies());
        let session = recorder.transactions().find_map(|(_, fields)| fields.get("session").cloned()).unwrap();
        let Fact::Object(session) = session else { panic!("{session:?}") };
        assert_eq!((text(&session, "encryption"), session.get("handshake_records")), ("full", Some(&Fact::Uint(11))));
    }
}

#[test]
fn passwords_are_nowhere() {
    // The password as LOGIN7 has it (2.2.6.4): nibbles swapped, then 0xa5.
    for name in ["tds_benign_0", "tds_cmdshell_0", "tds_rpc_0", "tds_rpc_1"] {
        let script = testing::fixture(name).unwrap();
        let login = script.iter().find(|(_, bytes)| bytes.first() == Some(&packet::LOGIN7)).unwrap();
        let body = &login.1[HEADER..];
        let number = |at: usize| usize::from(u16::from_le_bytes([body[at], body[at + 1]]));
        let hidden = &body[number(44)..number(44) + 2 * number(46)];
        let clear: Vec<_> = hidden.iter().map(|byte| (byte ^ 0xa5).rotate_left(4)).collect();
        let password =
            String::from_utf16(&clear.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect::<Vec<_>>());
        let password = password.unwrap();
        assert!(password.len() > 3, "{name}");
        assert!(!format!("{:?}", run(name).events).contains(&password), "{name}");
    }
}
