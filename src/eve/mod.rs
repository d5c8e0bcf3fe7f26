//! Events as EVE lines. One file an event type; what all share is in [`common`].
//!
//! A line is written straight from a `serde` struct into the epoch's buffer: no intermediate value, no `null`, no empty list.

pub mod alert;
pub mod anomaly;
pub mod common;
mod community_id;
pub mod fileinfo;
pub mod flow;
pub mod opened;
pub mod protocol;
pub mod sensor_stats;
pub mod sql;
pub mod stats;
pub mod time;
pub mod tls_session;
mod value;

use backstop_protocols::AppProto;
use serde::Serialize;

/// Which events are written, and what each says about the sensor.
#[derive(Clone, Debug, Default)]
pub struct EveSettings {
    /// Event types.
    pub types: Types,
    /// EVE `host`: the sensor's name.
    pub host: Option<String>,
    /// EVE `in_iface`; live only.
    pub interface: Option<String>,
    /// EVE `pcap_filename` by file of the run; replay only.
    pub files: Vec<String>,
    /// Bytes of `payload_printable`.
    pub max_payload: usize,
    /// How much of SQL is written.
    pub sql: sql::SqlSettings,
}

/// Event types that are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Types {
    /// `alert`.
    pub alert: bool,
    /// `flow`.
    pub flow: bool,
    /// `anomaly`.
    pub anomaly: bool,
    /// `fileinfo`.
    pub fileinfo: bool,
    /// `stats`.
    pub stats: bool,
    /// `sensor_stats`, ours.
    pub sensor_stats: bool,
    /// `tls_session`, ours.
    pub tls_session: bool,
    protocols: Vec<AppProto>,
}

/// Types of our own: they carry a top-level object that Suricata's schema does not know.
const OWN: [&str; 7] = ["nmf", "nrtp", "tds", "veeam", "winrm", "tls_session", "sensor_stats"];

/// Whether a type of records is ours alone.
fn is_own(name: &str) -> bool {
    OWN.contains(&name)
}

impl Types {
    /// The names that [`Types::from_names`] takes.
    pub fn known() -> Vec<&'static str> {
        let mut names = vec!["alert", "flow", "anomaly", "fileinfo", "stats", "sensor_stats", "tls_session"];
        names.extend(Self::protocols().map(|(_, name)| name));
        names
    }

    fn protocols() -> impl Iterator<Item = (AppProto, &'static str)> {
        backstop_protocols::PROTOCOLS
            .iter()
            .map(|protocol| (protocol.app_proto, protocol.name))
            .filter(|(app_proto, _)| *app_proto != AppProto::Echo)
    }

    /// From names; `strict` leaves out those of our own.
    ///
    /// # Errors
    /// The first name that is not known.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>, strict: bool) -> Result<Self, &'a str> {
        let mut types = Self::default();
        for name in names {
            let wanted = !(strict && is_own(name));
            match name {
                "alert" => types.alert = wanted,
                "flow" => types.flow = wanted,
                "anomaly" => types.anomaly = wanted,
                "fileinfo" => types.fileinfo = wanted,
                "stats" => types.stats = wanted,
                "sensor_stats" => types.sensor_stats = wanted,
                "tls_session" => types.tls_session = wanted,
                _ => {
                    let (app_proto, _) = Self::protocols().find(|(_, known)| *known == name).ok_or(name)?;
                    if wanted {
                        types.protocols.push(app_proto);
                    }
                }
            }
        }
        Ok(types)
    }

    /// Whether records of a protocol are written.
    pub fn protocol(&self, app_proto: AppProto) -> bool {
        self.protocols.contains(&app_proto)
    }
}

/// Writes one record and its newline.
fn write_line(out: &mut Vec<u8>, record: &impl Serialize) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, record).is_err() {
        // Writing to memory fails for values that JSON cannot hold only, and none of ours is such: half a line never stays.
        out.truncate(start);
        return;
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_leaves_out_what_only_our_schema_knows() {
        let all = Types::from_names(Types::known(), false).unwrap();
        assert!(all.alert && all.sensor_stats && all.protocol(AppProto::Veeam) && all.protocol(AppProto::Tls));
        let strict = Types::from_names(Types::known(), true).unwrap();
        assert!(strict.alert && strict.stats && strict.protocol(AppProto::Tls));
        assert!(!strict.sensor_stats && !strict.protocol(AppProto::Veeam) && !strict.protocol(AppProto::Nmf));
        assert_eq!(Types::from_names(["alert", "htpp"], false), Err("htpp"));
    }
}
