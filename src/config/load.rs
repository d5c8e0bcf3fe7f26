//! Reads the file and `--set`; tells where a mistake is.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::{Table, Value};

use super::Config;

/// What is wrong with the configuration. One line of text.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A mistake in the file.
    File {
        /// Which.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1, in characters.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A mistake in a `--set`.
    Set {
        /// As it was given.
        given: String,
        /// What is wrong.
        message: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => write!(f, "{}: {source}", path.display()),
            Self::File { path, line, column, message } => write!(f, "{}:{line}:{column}: {message}", path.display()),
            Self::Set { given, message } => write!(f, "--set {given}: {message}"),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The configuration of a file, if one is given, changed by `sets`, later ones last.
///
/// # Errors
/// The file cannot be read, or something in it or in a `--set` makes no sense.
pub fn load(path: Option<&Path>, sets: &[String]) -> Result<Config, ConfigError> {
    let mut table = Table::new();
    if let Some(path) = path {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let at = |error: &toml::de::Error| place(path, &text, error);
        // Once for its mistakes, which then have a place, and once as a table to change.
        toml::from_str::<Config>(&text).map_err(|error| at(&error))?;
        table = toml::from_str(&text).map_err(|error| at(&error))?;
    }
    for given in sets {
        let refuse = |message: String| ConfigError::Set { given: given.clone(), message };
        let (key, value) = read_set(given).map_err(refuse)?;
        let mut alone = Table::new();
        insert(&mut alone, &key, value.clone()).map_err(refuse)?;
        Config::deserialize(alone).map_err(|error| refuse(one_line(error.message())))?;
        insert(&mut table, &key, value).map_err(refuse)?;
    }
    Config::deserialize(table)
        .map_err(|error| ConfigError::Set { given: sets.join(" --set "), message: one_line(error.message()) })
}

fn place(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    ConfigError::File { path: path.into(), line, column, message: one_line(error.message()) }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `key.of.table=value`: a TOML value where it is one, else a text.
fn read_set(given: &str) -> Result<(Vec<String>, Value), String> {
    let (key, text) = given.split_once('=').ok_or("expected key=value")?;
    let key: Vec<String> = key.split('.').map(|part| part.trim().replace('-', "_")).collect();
    if key.iter().any(String::is_empty) {
        return Err("the key has an empty part".to_owned());
    }
    let value = toml::from_str::<Table>(&format!("v = {text}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| Value::String(text.trim().to_owned()));
    Ok((key, value))
}

fn insert(table: &mut Table, key: &[String], value: Value) -> Result<(), String> {
    let Some((last, parents)) = key.split_last() else { return Err("no key".to_owned()) };
    let mut at = table;
    for parent in parents {
        let next = at.entry(parent.clone()).or_insert_with(|| Value::Table(Table::new()));
        at = next.as_table_mut().ok_or_else(|| format!("{parent} is not a table"))?;
    }
    at.insert(last.clone(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn file(text: &str) -> Result<Config, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        load(Some(file.path()), &[]).map_err(|error| {
            let name = file.path().display().to_string();
            error.to_string().strip_prefix(&name).unwrap_or_default().to_owned()
        })
    }

    #[test]
    fn every_mistake_in_a_file_has_its_line() {
        for (text, place, says) in [
            ("home_net = [\"10.0.0.0/8\",\n  \"10.0.0.0/99\"]\n", ":2:3: ", "10.0.0.0/99"),
            ("\n\nhome_nett = []\n", ":3:1: ", "home_nett"),
            ("[tcp]\npolicy = \"vista\"\n", ":2:10: ", "vista"),
            ("workers = 0\n", ":1:11: ", "0 is not a number from 1"),
            ("[scan]\nwindow = \"64 yards\"\n", ":2:10: ", "64 yards"),
            ("a = = b\n", ":1:5: ", ""),
            ("[eve]\ntypes = [\"alert\", \"allert\"]\n", ":2:19: ", "allert"),
            ("[[outputs]]\npath = \"x\"\n", ":2:1: ", "path"),
        ] {
            let error = file(text).expect_err(text);
            assert!(error.starts_with(place) && error.contains(says) && !error.contains('\n'), "{text}: {error}");
        }
    }

    #[test]
    fn a_set_takes_values_as_people_type_them_and_wins() {
        let load = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            load(None, &sets).map_err(|error| error.to_string())
        };
        let config = load(&[
            "known_clients=10.0.0.5,10.0.0.6",
            "home_net=[\"192.168.0.0/16\"]",
            "eve.types=alert",
            "workers=2",
            "stats-interval=5s",
            "sensor_name=a b",
            "tcp.policy=linux",
            "detect.veeam_ports=[9401, 9402]",
        ])
        .unwrap();
        let settings = config.settings();
        assert_eq!(settings.detect.known_clients.len(), 2);
        assert!(!settings.detect.is_home([10, 0, 0, 1].into()));
        assert!(settings.eve.types.alert && !settings.eve.types.flow);
        assert_eq!((settings.workers, settings.stats_interval.as_secs()), (2, 5));
        assert_eq!(settings.eve.host.as_deref(), Some("a b"));
        assert_eq!(settings.detect.veeam_ports, [9401, 9402]);
        assert!(load(&["workers"]).unwrap_err().starts_with("--set workers: expected key=value"));
        assert!(load(&["worker=1"]).unwrap_err().contains("worker"));
        assert!(load(&["tcp.policy.x=1"]).unwrap_err().starts_with("--set tcp.policy.x=1"));
    }
}
