//! `sensor_stats`: every counter of ours, by layer. Not in Suricata's schema, so a record of its own.

use std::collections::BTreeMap;

use serde::Serialize;

use super::time::Timestamp;
use super::{EveSettings, write_line};
use crate::pipeline::collector::Written;
use crate::pipeline::stats::Totals;

#[derive(Serialize)]
struct Record<'a> {
    timestamp: Timestamp,
    event_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    sensor_stats: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

/// Writes the record.
pub fn write(out: &mut Vec<u8>, settings: &EveSettings, totals: &Totals, written: &Written) {
    let scan = &totals.workers.scan;
    let scan = [
        ("scans", scan.scans),
        ("scanned_bytes", scan.scanned_bytes),
        ("prefiltered", scan.prefiltered),
        ("prefiltered_bytes", scan.prefiltered_bytes),
        ("matches", scan.matches),
        ("timeouts", scan.timeouts),
        ("failures", scan.failures),
        ("depth_reached", scan.depth_reached),
        ("overlaps_dropped", scan.overlaps_dropped),
        ("contents_cut", scan.contents_cut),
        ("matches_dropped", scan.matches_dropped),
    ];
    let output = [("lines", written.lines), ("alerts", written.alerts), ("alerts_suppressed", written.suppressed)];
    let correlator = &written.correlator;
    let correlator = [
        ("roles", correlator.roles),
        ("roles_evicted", correlator.roles_evicted),
        ("thresholds", correlator.thresholds),
        ("thresholds_evicted", correlator.thresholds_evicted),
        ("role_missing", correlator.role_missing),
        ("repeated", correlator.repeated),
        ("tallies", correlator.tallies),
        ("tallies_evicted", correlator.tallies_evicted),
        ("too_few", correlator.too_few),
        ("explained", correlator.explained),
        ("explanations_evicted", correlator.explanations_evicted),
    ];
    let mut sensor_stats = BTreeMap::from([
        ("decode", totals.decode.iter().collect()),
        ("stream", totals.workers.streams.iter().collect()),
        ("app", totals.workers.app.iter().collect()),
        ("files", totals.workers.files.iter().collect()),
        ("scan", BTreeMap::from(scan)),
        ("correlator", BTreeMap::from(correlator)),
        ("output", BTreeMap::from(output)),
    ]);
    if let Some(keys) = &totals.keys {
        let keys = [
            ("sessions_evicted", keys.sessions_evicted),
            ("resumable_filed", keys.resumable_filed),
            ("resumable_evicted", keys.resumable_evicted),
            ("resumable_refused", keys.resumable_refused),
            ("waiting_refused", keys.waiting_refused),
            ("rsa_operations", keys.rsa_operations),
            ("rsa_deferred", keys.rsa_deferred),
        ];
        sensor_stats.insert("keys", BTreeMap::from(keys));
    }
    if let Some(indicators) = &totals.indicators {
        let indicators = [
            ("entries", indicators.lists.entries),
            ("memory", indicators.bytes),
            ("over_cap", indicators.lists.over_cap),
            ("too_broad", indicators.lists.too_broad),
            ("other_kinds", indicators.lists.other_kinds),
            ("reloads", indicators.reloads),
            ("reload_errors", indicators.reload_errors),
        ];
        sensor_stats.insert("indicators", BTreeMap::from(indicators));
    }
    let record = Record {
        timestamp: Timestamp(totals.last.time),
        event_type: "sensor_stats",
        host: settings.host.as_deref(),
        sensor_stats,
    };
    write_line(out, &record);
}
