//! Configuration: defaults, a TOML file, `--set key=value`, in this order. Every error names the file and line, or the key.

mod human;
mod load;
mod sections;

use std::path::PathBuf;
use std::sync::Arc;

use backstop_capture::decode::DecodeConfig;
use backstop_capture::flow::{FlowConfig, NetworkRange};
use backstop_capture::source::LiveConfig;
use backstop_capture::tcp::OverlapPolicy;
use backstop_detectors::DetectConfig;
use backstop_protocols::Limits;
use backstop_protocols::tls::KeyLimits;
use backstop_signatures::indicators::{Age, MAX_ENTRIES};
use backstop_signatures::{RuleOptions, ScanLimits};
use serde::Deserialize;

use self::human::{Net, Policy, Span, one_or_many};
pub use self::load::load;
use self::sections::{
    BeaconSection, CaptureSection, ContentSection, DecodeSection, DefragSection, DetectNamesSection, DetectRemotingSection,
    DetectSection, DetectSmbSection, DetectSqlSection, DetectWinrmSection, EncryptedDumpSection, FilesSection, FlowSection,
    ParserSection, ScanSection, SqlSection, TlsSection, TlsStackSection,
};
use crate::eve::sql::SqlSettings;
use crate::eve::{EveSettings, Types};
use crate::files::FileSettings;
use crate::indicators::Sources;
use crate::keys::KeySources;
use crate::pipeline::settings::Settings;

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// EVE `host`.
    sensor_name: Option<String>,
    #[serde(deserialize_with = "human::some_one_or_many")]
    home_net: Option<Vec<Net>>,
    #[serde(deserialize_with = "one_or_many")]
    backup_servers: Vec<Net>,
    #[serde(deserialize_with = "one_or_many")]
    known_clients: Vec<Net>,
    /// Folders or files of rules.
    #[serde(deserialize_with = "one_or_many")]
    pub rules: Vec<PathBuf>,
    builtin_rules: Option<bool>,
    cache_dir: Option<PathBuf>,
    workers: Option<human::Workers>,
    stats_interval: Option<Span>,
    /// Where lines go.
    pub outputs: Vec<OutputSection>,
    capture: CaptureSection,
    eve: EveSection,
    detect: DetectSection,
    encrypted_dump: EncryptedDumpSection,
    tls_stack: TlsStackSection,
    detect_sql: DetectSqlSection,
    detect_remoting: DetectRemotingSection,
    detect_smb: DetectSmbSection,
    detect_winrm: DetectWinrmSection,
    detect_names: DetectNamesSection,
    beacon: BeaconSection,
    indicators: IndicatorsSection,
    content: ContentSection,
    files: FilesSection,
    decode: DecodeSection,
    defrag: DefragSection,
    flow: FlowSection,
    tcp: TcpSection,
    parser: ParserSection,
    scan: ScanSection,
    tls: TlsSection,
    sql: SqlSection,
}

/// One output.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSection {
    /// A file, or `-` for standard output.
    pub file: PathBuf,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EveSection {
    #[serde(deserialize_with = "human::some_one_or_many")]
    types: Option<Vec<human::EventType>>,
    strict: bool,
    max_payload: Option<human::Size>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct IndicatorsSection {
    files: Option<human::Paths>,
    builtin: Option<bool>,
    max_entries: Option<human::Count>,
    /// Days after which an indicator counts for less, twice.
    age_days: Option<[u64; 2]>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TcpSection {
    policy: Option<Policy>,
    policies: Vec<NetworkPolicy>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkPolicy {
    network: Net,
    policy: Policy,
}

/// Bytes of `payload_printable` unless configured: SIEM defaults cut records of some 10 KB.
const MAX_PAYLOAD: usize = 1_024;

impl Config {
    /// Rules and bounds of scanning. `more` are the folders of the command line.
    pub fn rule_options(&self, more: &[PathBuf]) -> RuleOptions {
        // A match that the pipeline sets aside (a parser understood that place) must not hide a later one: each place is told,
        // and the pipeline reports a rule once a direction.
        let mut limits = ScanLimits { once: false, ..ScanLimits::default() };
        self.scan.apply(&mut limits);
        RuleOptions {
            dirs: self.rules.iter().chain(more).cloned().collect(),
            builtin: self.builtin_rules.unwrap_or(true),
            cache_dir: self.cache_dir.clone().or_else(default_cache_dir),
            limits,
        }
    }

    /// How an interface is opened.
    pub fn live(&self) -> LiveConfig {
        let mut live = LiveConfig::default();
        self.capture.apply(&mut live);
        live
    }

    /// Where keys for TLS come from. `more` are the key logs of the command line.
    pub fn keys(&self, more: &[PathBuf]) -> KeySources {
        let paths = |paths: &Option<human::Paths>| paths.as_ref().map(|paths| paths.0.clone()).unwrap_or_default();
        let mut limits = KeyLimits::default();
        self.tls.apply(&mut limits);
        let mut key_logs = paths(&self.tls.keylog);
        key_logs.extend_from_slice(more);
        KeySources { key_logs, rsa_keys: paths(&self.tls.rsa_keys), limits }
    }

    /// Where lists of indicators come from. `more` are those of the command line.
    pub fn indicators(&self, more: &[PathBuf]) -> Sources {
        let section = &self.indicators;
        let paths = section.files.as_ref().map(|paths| paths.0.as_slice()).unwrap_or_default();
        Sources {
            paths: paths.iter().chain(more).cloned().collect(),
            builtin: section.builtin.unwrap_or(true),
            max: section.max_entries.map_or(MAX_ENTRIES, Into::into),
        }
    }

    /// Where files are stored, if they are.
    pub fn store_dir(&self) -> Option<&std::path::Path> {
        self.files.store_dir.as_deref()
    }

    /// The filter, if any.
    pub fn filter(&self) -> Option<&str> {
        self.capture.filter.as_deref()
    }

    /// Everything that packets are processed with. What depends on the source (names, seeds, live or not) is for a replay.
    pub fn settings(&self) -> Settings {
        let mut limits = Limits::default();
        self.parser.apply(&mut limits);
        let mut decode = DecodeConfig::default();
        self.decode.apply(&mut decode);
        self.defrag.apply(&mut decode.defrag);
        let mut files = FileSettings::default();
        self.files.apply(&mut files);
        let detect = self.detect();
        // One more than is read, so that the reader knows that there is more.
        files.max_head = detect.content.max_input.saturating_add(1);
        Settings {
            eve: self.eve(),
            detect: Arc::new(detect),
            limits,
            files,
            keys: None,
            own_indicators: false,
            decode,
            flow: self.flow(),
            seeds: [0x6261_636b_7374_6f70, 0x7265_706c_6179_0001],
            stats_interval: self.stats_interval.map_or(std::time::Duration::from_secs(60), Into::into),
            workers: self.workers.map_or(1, |workers| workers.0),
            prompt: false,
        }
    }

    fn eve(&self) -> EveSettings {
        let names: Vec<&str> = match &self.eve.types {
            Some(types) => types.iter().map(|name| name.0).collect(),
            None => Types::known(),
        };
        let mut sql = SqlSettings::default();
        self.sql.apply(&mut sql);
        EveSettings {
            // Names were checked when they were read.
            types: Types::from_names(names, self.eve.strict).unwrap_or_default(),
            host: self.sensor_name.clone(),
            interface: None,
            files: Vec::new(),
            max_payload: self.eve.max_payload.map_or(MAX_PAYLOAD, |size| size.0),
            sql,
        }
    }

    fn detect(&self) -> DetectConfig {
        let mut detect = DetectConfig::default();
        if let Some(networks) = &self.home_net {
            detect.home_net = networks.iter().map(|net| net.0).collect();
        }
        detect.backup_servers = self.backup_servers.iter().map(|net| net.0).collect();
        detect.known_clients = self.known_clients.iter().map(|net| net.0).collect();
        self.detect.apply(&mut detect);
        self.encrypted_dump.apply(&mut detect.encrypted_dump);
        self.tls_stack.apply(&mut detect.tls_stack);
        self.detect_sql.apply(&mut detect.sql);
        self.detect_remoting.apply(&mut detect.remoting);
        self.detect_smb.apply(&mut detect.smb);
        self.detect_winrm.apply(&mut detect.winrm);
        self.detect_names.apply(&mut detect.names);
        self.beacon.apply(&mut detect.beacon);
        self.content.apply(&mut detect.content);
        if let Some([first, second]) = self.indicators.age_days {
            detect.indicators.ages = Age { first, second };
        }
        detect
    }

    fn flow(&self) -> FlowConfig {
        let range = |net: &Net| NetworkRange { first: net.0.network(), last: net.0.broadcast() };
        // The defaults of a table are those of one shard.
        let one = FlowConfig::default();
        let mut flow = FlowConfig {
            max_flows: 1 << 20,
            max_half_open: 1 << 20,
            max_queued_bytes: 256 << 20,
            history_buffers: 4_096,
            policies: self.tcp.policies.iter().map(|known| (range(&known.network), known.policy.0)).collect(),
            default_policy: self.tcp.policy.map_or(OverlapPolicy::default(), |policy| policy.0),
            ..one
        };
        self.flow.apply(&mut flow);
        flow
    }
}

/// `$XDG_CACHE_HOME/backstop`, `~/.cache/backstop`, or `/var/cache/backstop` for a daemon without a home.
fn default_cache_dir() -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = from("CACHE_DIRECTORY")
        .or_else(|| from("XDG_CACHE_HOME").map(|base| base.join("backstop")))
        .or_else(|| from("HOME").map(|home| home.join(".cache").join("backstop")));
    Some(base.unwrap_or_else(|| PathBuf::from("/var/cache/backstop")))
}

/// Every key of the file: the guide explains each.
#[cfg(test)]
fn keys() -> Vec<String> {
    let top = [
        "sensor_name",
        "home_net",
        "backup_servers",
        "known_clients",
        "rules",
        "builtin_rules",
        "cache_dir",
        "workers",
        "stats_interval",
        "outputs",
        "indicators.files",
        "indicators.builtin",
        "indicators.max_entries",
        "indicators.age_days",
        "eve.types",
        "eve.strict",
        "eve.max_payload",
        "tcp.policy",
        "tcp.policies",
    ];
    let section = |name: &'static str, keys: &'static [&'static str]| keys.iter().map(move |key| format!("{name}.{key}"));
    top.into_iter()
        .map(str::to_owned)
        .chain(section("capture", CaptureSection::KEYS))
        .chain(section("detect", DetectSection::KEYS))
        .chain(section("encrypted_dump", EncryptedDumpSection::KEYS))
        .chain(section("tls_stack", TlsStackSection::KEYS))
        .chain(section("detect_sql", DetectSqlSection::KEYS))
        .chain(section("detect_remoting", DetectRemotingSection::KEYS))
        .chain(section("detect_smb", DetectSmbSection::KEYS))
        .chain(section("detect_winrm", DetectWinrmSection::KEYS))
        .chain(section("detect_names", DetectNamesSection::KEYS))
        .chain(section("beacon", BeaconSection::KEYS))
        .chain(section("content", ContentSection::KEYS))
        .chain(section("files", FilesSection::KEYS))
        .chain(section("decode", DecodeSection::KEYS))
        .chain(section("defrag", DefragSection::KEYS))
        .chain(section("flow", FlowSection::KEYS))
        .chain(section("parser", ParserSection::KEYS))
        .chain(section("scan", ScanSection::KEYS))
        .chain(section("tls", TlsSection::KEYS))
        .chain(section("sql", SqlSection::KEYS))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_everything_has_a_sensible_value() {
        let settings = Config::default().settings();
        assert!(settings.eve.types.alert && settings.eve.types.flow && settings.eve.types.stats);
        assert!(settings.detect.is_home([10, 1, 2, 3].into()));
        assert_eq!(settings.flow.default_policy, OverlapPolicy::Windows);
        assert_eq!(settings.workers, 1);
    }

    #[test]
    fn the_guesses_about_tls_are_set_key_by_key() {
        let text = "[encrypted_dump]\nenabled = false\nrequest_max = 720\nreply_max = \"1MiB\"\nsettle = \"1m\"\nmin_lookups = 4\n\
            [tls_stack]\nallowed = \"92659F5693282bf99753dcde56cba637, t12i020600_f09d9ff7e6fc_e7e480e5a997\"\n";
        let detect = toml::from_str::<Config>(text).unwrap().detect();
        let dump = &detect.encrypted_dump;
        assert!(!dump.enabled && detect.tls_stack.enabled);
        assert_eq!((dump.request_min, dump.request_max, dump.reply_max, dump.min_lookups), (600, 720, 1 << 20, 4));
        assert_eq!(dump.settle.as_secs(), 60);
        assert_eq!(detect.tls_stack.allowed, ["92659f5693282bf99753dcde56cba637", "t12i020600_f09d9ff7e6fc_e7e480e5a997"]);
        for wrong in ["[tls_stack]\nallowed = [\"openssl\"]", "[encrypted_dump]\nmin_lookups = 0", "[encrypted_dump]\nsetle = 1"]
        {
            assert!(toml::from_str::<Config>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_guide_explains_every_key() {
        let guide = include_str!("../../docs/configuration.md");
        for key in keys() {
            assert!(guide.contains(&format!("`{key}`")), "docs/configuration.md does not explain `{key}`");
        }
    }
}
