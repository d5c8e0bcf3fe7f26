use super::*;
use crate::testing::{number, object};
use std::sync::Arc;

const SID: u64 = 9_402_008;

fn ask(correlator: &mut Correlator, client: &str, after: u64, database: &str, text: &str) -> usize {
    let mut server = Server::new(database);
    server.flow.client.addr = client.parse().unwrap();
    server.flow.wait(after * 1_000);
    server.batch(text);
    admitted(correlator, &server.flow).iter().filter(|finding| finding.meta.sid() == SID).count()
}

#[test]
fn two_tables_of_one_host_in_a_minute_are_one_alert_over_flows() {
    let mut correlator = Correlator::new(Arc::new(DetectConfig::default()));
    assert_eq!(ask(&mut correlator, "10.0.0.7", 0, "VeeamBackup", "SELECT * FROM BJobs"), 0);
    assert_eq!(ask(&mut correlator, "10.0.0.7", 5, "VeeamBackup", "SELECT * FROM BJobs"), 0, "the same one");
    assert_eq!(ask(&mut correlator, "10.0.0.8", 6, "VeeamBackup", "SELECT * FROM Hosts"), 0, "another host");
    assert_eq!(ask(&mut correlator, "10.0.0.7", 9, "Crm", "SELECT * FROM Hosts"), 0, "another database");
    assert_eq!(ask(&mut correlator, "10.0.0.7", 10, "VeeamBackup", "SELECT * FROM Hosts"), 1);
    assert_eq!(ask(&mut correlator, "10.0.0.7", 12, "VeeamBackup", "SELECT * FROM PhysicalHosts"), 0, "told already");
    assert_eq!(correlator.counters().too_few, 3);
}

#[test]
fn a_minute_apart_is_too_long_and_one_query_may_be_enough() {
    let mut correlator = Correlator::new(Arc::new(DetectConfig::default()));
    assert_eq!(ask(&mut correlator, "10.0.0.7", 0, "VeeamBackup", "SELECT * FROM BJobs"), 0);
    assert_eq!(ask(&mut correlator, "10.0.0.7", 61, "VeeamBackup", "SELECT * FROM Hosts"), 0);
    assert_eq!(
        ask(&mut correlator, "10.0.0.9", 62, "VeeamBackup", "SELECT 1 FROM [VSphere.Vms] v JOIN BackupRepositories r ON 1=1"),
        1
    );
}

#[test]
fn the_tables_are_named() {
    let mut server = Server::new("VeeamBackup");
    server.batch("SELECT * FROM BJobs, Hosts");
    let mut correlator = Correlator::new(Arc::new(DetectConfig::default()));
    let found = admitted(&mut correlator, &server.flow);
    let tally = object(&found[0].context, "tally");
    assert_eq!(number(&tally, "count"), Some(2));
    assert!(format!("{:?}", tally.get("items")).contains("bjobs"));
}
