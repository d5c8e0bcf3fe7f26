//! What detections on SQL servers are configured with.

use std::time::Duration;

/// Names, and how many of what in which time.
#[derive(Clone, Debug)]
pub struct SqlConfig {
    /// Databases that hold the configuration of a backup product; case does not count, `*` stands for any text.
    pub backup_databases: Vec<String>,
    /// Tables in them that hold secrets, written alike.
    pub secret_tables: Vec<String>,
    /// Tables in them that tell what is backed up, and where.
    pub inventory_tables: Vec<String>,
    /// Different inventory tables that one host must read …
    pub inventory_count: usize,
    /// … in this time.
    pub inventory_window: Duration,
    /// Failed logins of one host …
    pub login_failures: usize,
    /// … in this time.
    pub login_window: Duration,
    /// Administrators by name.
    pub admin_users: Vec<String>,
}

impl Default for SqlConfig {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            backup_databases: list(&["VeeamBackup*"]),
            secret_tables: list(&["Credentials", "HostCreds", "Ssh_creds", "SmbFileShares", "JobVssCredsView"]),
            inventory_tables: list(&[
                "BackupRepositories",
                "JobSourceRepositories",
                "BJobs",
                "Hosts",
                "VSphere.*",
                "PhysicalHosts",
                "BackupProxies",
                "BObjects",
                "ObjectsInJobs",
            ]),
            inventory_count: 2,
            inventory_window: Duration::from_secs(60),
            login_failures: 10,
            login_window: Duration::from_secs(60),
            admin_users: list(&["sa", "postgres"]),
        }
    }
}

/// Whether a name is on a list of patterns; case does not count, `*` stands for any text.
pub fn is_listed(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| fits(&pattern.to_lowercase(), &name.to_lowercase()))
}

/// The pieces between the stars, one behind the other: the earliest place of each is the best.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else { return piece.is_empty() && rest.ends_with(last) };
        rest = behind;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_written() {
        for (pattern, name, expected) in [
            ("VeeamBackup*", "veeambackup", true),
            ("VeeamBackup*", "VeeamBackup_2", true),
            ("VeeamBackup*", "MyVeeamBackup", false),
            ("VSphere.*", "vsphere.vms", true),
            ("VSphere.*", "vsphere", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("Hosts", "hosts", true),
            ("Hosts", "hostsx", false),
        ] {
            assert_eq!(is_listed(&[pattern.to_owned()], name), expected, "{pattern} {name}");
        }
    }
}
