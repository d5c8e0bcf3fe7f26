//! 9404010.

use std::sync::Arc;

use super::*;
use crate::Correlator;

const BACKUP: &str = "10.20.30.10/32";

/// A backup server connects to the share of hosts, one a minute; alerts that come of it.
fn connects(config: DetectConfig, share: &str, hosts: u8, status: u32) -> Vec<Finding> {
    let mut correlator = Correlator::new(Arc::new(config.clone()));
    let mut alerts = Vec::new();
    for host in 1..=hosts {
        let mut talk = Talk::default();
        talk.connect(&format!(r"\\10.20.30.{}\{share}", 100 + host), 1, status);
        talk.connect(&format!(r"\\10.20.30.{}\{share}", 100 + host), 1, status);
        let mut flow = Flow::new(config.clone());
        flow.client.addr = [10, 20, 30, 10].into();
        flow.server.addr = [10, 20, 30, 100 + host].into();
        flow.server.port = 445;
        flow.now = flow.now.plus(std::time::Duration::from_secs(60 * u64::from(host)));
        flow.replay_script(&talk.script, 1_460);
        alerts.extend(flow.admitted(&mut correlator));
    }
    alerts
}

fn config() -> DetectConfig {
    DetectConfig { backup_servers: vec![BACKUP.parse().unwrap()], ..DetectConfig::default() }
}

#[test]
fn a_backup_server_that_connects_to_many_hosts_is_told_once() {
    for status in [OK, DENIED] {
        let alerts = connects(config(), "ADMIN$", 9, status);
        let [alert] = &alerts[..] else { panic!("{alerts:?}") };
        assert_eq!((alert.meta.sid(), alert.meta.severity()), (9_404_010, 2));
        assert_eq!(alert.outcome, if status == OK { Outcome::Success } else { Outcome::Attempt });
        assert_eq!((alert.attacker.addr, alert.victim.addr), ([10, 20, 30, 10].into(), [10, 20, 30, 105].into()));
        let tally = object(&alert.context, "tally");
        assert_eq!(crate::testing::number(&tally, "count"), Some(5));
        assert_eq!(text(&object(&alert.context, "smb"), "share"), r"\\10.20.30.105\ADMIN$");
    }
}

#[test]
fn few_hosts_listed_agents_other_shares_and_other_hosts_are_silent() {
    assert_eq!(connects(config(), "C$", 4, OK).len(), 0);
    assert_eq!(connects(config(), "Backups", 9, OK).len(), 0);
    assert_eq!(connects(config(), "IPC$", 9, OK).len(), 0);
    assert_eq!(connects(config(), "C$", 9, 0xc000_00cc).len(), 0);
    assert_eq!(connects(DetectConfig::default(), "C$", 9, OK).len(), 0);
    let mut listed = config();
    listed.smb.agents = vec!["10.20.30.101/32".parse().unwrap(), "10.20.30.104/30".parse().unwrap()];
    assert_eq!(connects(listed, "C$", 9, OK).len(), 0);
}
