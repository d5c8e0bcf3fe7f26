//! The list of detectors. A new one is its folder or file, its `mod` line and its line in the list, which names the protocols that it hears of.

#[cfg(test)]
use crate::example;
use crate::http::{content as http_content, download};
use crate::smb::{enumeration, files, spread};
use crate::sql::{logins, statements};
use crate::veeam::{
    command, credential_dump, credential_lookup, credentials_returned, encrypted_dump, malformed, outside, sql, tls_stack,
    unlisted,
};
use crate::{Context, Detector, Findings, Meta};
use crate::{beacon, indicators, names, powershell, remoting, rpc, winrm};
use backstop_protocols::AppProto::{self, Dcerpc, Dns, Http, Nmf, Nrtp, Pgsql, Smb, Tds, Tls, Veeam, Winrm};
use backstop_protocols::Transaction;

/// A registered detector.
pub struct Registered {
    /// Protocols whose transactions and anomalies it wants to hear of. Flows of others do without it.
    pub of: &'static [AppProto],
    /// What it can find.
    pub metas: &'static [&'static Meta],
    /// One for a new flow.
    pub new: fn() -> Box<dyn Detector>,
}

/// Stands for ids of which others tell: the carriers of content, and the pipeline for whole flows. No flow ever has one.
fn elsewhere() -> Box<dyn Detector> {
    struct Elsewhere;
    impl Detector for Elsewhere {
        fn on_transaction(&mut self, _: &Context<'_>, _: &Transaction<'_>, _: &mut Findings) {}
    }
    Box::new(Elsewhere)
}

/// Every detector, in the order in which they are asked.
pub static REGISTRY: &[Registered] = &[
    // Learns the roles that the others need, so it comes first.
    Registered { of: &[Nmf, Veeam, Tls], metas: &[&outside::META], new: outside::detector },
    Registered { of: &[Nmf, Veeam], metas: &[&unlisted::META], new: unlisted::detector },
    Registered { of: &[Nmf, Veeam], metas: &[&malformed::META], new: malformed::detector },
    Registered { of: &[Nmf, Veeam], metas: &[&credential_dump::META], new: credential_dump::detector },
    Registered { of: &[Nmf, Veeam], metas: &[&credential_lookup::META], new: credential_lookup::detector },
    Registered { of: &[Nmf, Veeam], metas: &[&credentials_returned::META], new: credentials_returned::detector },
    // One detector: the SQL is read once for both.
    Registered { of: &[Nmf, Veeam], metas: &[&sql::META, &command::META], new: sql::detector },
    Registered { of: &[Nmf, Veeam, Tls], metas: &[&encrypted_dump::META], new: encrypted_dump::detector },
    Registered { of: &[Nmf, Veeam, Tls], metas: &[&tls_stack::META], new: tls_stack::detector },
    // One detector: a request is read once for all that it may be.
    Registered { of: &[Nrtp, Http, Nmf], metas: remoting::METAS, new: remoting::detector },
    // One detector each: a request is read once for all that it may be.
    Registered { of: &[Tds, Pgsql], metas: statements::METAS, new: statements::detector },
    Registered { of: &[Tds, Pgsql], metas: logins::METAS, new: logins::detector },
    // One detector: a file is looked at once for all that it may be.
    Registered { of: &[Smb], metas: files::METAS, new: files::detector },
    Registered { of: &[Smb], metas: &[&spread::META], new: spread::detector },
    Registered { of: &[Smb], metas: &[&enumeration::META], new: enumeration::detector },
    // One detector: a call is read once for all that it may be.
    Registered { of: &[Smb, Dcerpc], metas: rpc::METAS, new: rpc::detector },
    Registered { of: &[Http], metas: &[&download::META], new: download::detector },
    Registered { of: &[Http], metas: &[], new: http_content::detector },
    // Also of TLS: a session that is not opened is one, too.
    Registered { of: &[Winrm, Tls], metas: &[&winrm::META], new: winrm::commands::detector },
    Registered { of: &[Dns, Tls, Http], metas: names::METAS, new: names::detector },
    // The pipeline tells of sessions, and asks about addresses once a flow.
    Registered { of: &[], metas: &[&beacon::META], new: elsewhere },
    Registered { of: &[], metas: &[&indicators::ADDRESS], new: elsewhere },
    Registered { of: &[Http, Smb, Tds, Pgsql, Veeam, Nmf], metas: &[&indicators::FILE], new: indicators::files },
    // What content is found to be, whatever carried it: the carriers ask.
    Registered { of: &[], metas: powershell::METAS, new: elsewhere },
    // The template. In tests only: it passes every check of this list, and no sensor in the field ever runs it.
    #[cfg(test)]
    Registered { of: &[AppProto::Echo], metas: &[&example::META], new: example::detector },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::technique;

    const CATALOGUE: &str = include_str!("../../docs/detections.md");

    /// Whether the catalogue has a row or a heading for a sid.
    fn is_documented(sid: u64) -> bool {
        let sid = sid.to_string();
        CATALOGUE.lines().any(|line| line.starts_with(&format!("### {sid} ")) || line.starts_with(&format!("| {sid} ")))
    }

    #[test]
    fn every_detection_has_a_sid_of_its_own_in_the_catalogue() {
        let mut seen = BTreeSet::new();
        for registered in REGISTRY {
            for meta in registered.metas {
                assert!(seen.insert(meta.sid), "{} stands twice", meta.sid);
                assert!((9_400_000..9_410_000).contains(&meta.sid), "{} is not one of ours", meta.sid);
                assert!(is_documented(meta.sid), "{} is missing in docs/detections.md", meta.sid);
            }
        }
        let moves = 9_404_001..=9_404_011;
        let shown = (9_403_001..=9_403_007).chain(9_405_001..=9_405_004);
        assert!((9_401_001..=9_401_013).chain(9_402_001..=9_402_010).chain(moves).chain(shown).all(|sid| seen.contains(&sid)));
    }

    #[test]
    fn every_meta_is_complete() {
        for meta in REGISTRY.iter().flat_map(|registered| registered.metas) {
            let sid = meta.sid;
            assert!(meta.rev >= 1 && (1..=3).contains(&meta.severity), "{sid}");
            assert!(meta.title.starts_with("BACKSTOP ") && meta.help.len() > 80 && !meta.category.is_empty(), "{sid}");
            assert!(!meta.help.contains("  "), "{sid}: blanks of the source in its help");
            assert!(!meta.mitre.is_empty(), "{sid}");
            for known in meta.mitre {
                assert_eq!(technique(known.id), Some(known), "{sid}");
            }
            assert!(meta.cve.iter().all(|cve| cve.starts_with("CVE_") && !cve.contains('-')), "{sid}");
        }
    }

    #[test]
    fn the_catalogue_says_the_severity_and_the_techniques() {
        for meta in REGISTRY.iter().flat_map(|registered| registered.metas) {
            let heading = format!("### {} ", meta.sid);
            let Some((_, section)) = CATALOGUE.split_once(&heading) else { panic!("{heading}") };
            let section = section.split("\n### ").next().unwrap().split("\n## ").next().unwrap();
            assert!(section.contains(&format!("Severity {}", meta.severity)), "{}", meta.sid);
            assert!(section.contains(&format!("stage `{}`", meta.stage.as_str())), "{}", meta.sid);
            for technique in meta.mitre {
                assert!(section.contains(technique.id), "{}: {}", meta.sid, technique.id);
            }
        }
    }

    /// Values of `key = …` in the shipped rules.
    fn of_rules(key: &str) -> Vec<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../signatures/rules");
        let mut values = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let of_line = |line: &str| {
                let (name, value) = line.trim().split_once(" = ")?;
                (name == key).then(|| value.trim_matches('"').to_owned())
            };
            values.extend(text.lines().filter_map(of_line));
        }
        assert!(!values.is_empty());
        values
    }

    #[test]
    fn the_catalogue_names_every_shipped_rule_and_the_one_without_a_sid() {
        for sid in of_rules("sid") {
            assert!(is_documented(sid.parse().unwrap()), "rule {sid} is missing in docs/detections.md");
        }
        assert!(is_documented(crate::RULE_WITHOUT_SID));
    }

    #[test]
    fn every_technique_that_rules_and_catalogue_name_is_known() {
        for list in of_rules("mitre") {
            for id in list.split(',') {
                assert!(technique(id).is_some(), "{id}");
            }
        }
        for word in CATALOGUE.split(|character: char| !(character.is_ascii_alphanumeric() || character == '.')) {
            let word = word.trim_end_matches('.');
            let is_id = word
                .strip_prefix('T')
                .is_some_and(|rest| rest.len() >= 4 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
            assert!(!is_id || technique(word).is_some(), "{word}");
        }
    }
}
