//! Private keys of servers: a file, or a folder of them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use backstop_protocols::tls::KeyRing;

use super::{KeysError, protect, read};

/// How key files are called, in a folder.
const ENDINGS: [&str; 4] = ["pem", "key", "der", "p8"];

/// Reads all of them. A file that was named must hold a key; in a folder, one that does not is passed over with a warning.
pub fn read_all(ring: &KeyRing, paths: &[PathBuf]) -> Result<(), KeysError> {
    for given in paths {
        let (server, path) = split(given);
        let path = &path;
        if !path.is_dir() {
            add(ring, path, server)?;
            continue;
        }
        let mut files: Vec<PathBuf> = std::fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(KeysError::unreadable(path))?;
        files.retain(|file| file.is_file() && has_ending(file));
        files.sort();
        let mut added = 0;
        for file in files {
            match add(ring, &file, server) {
                Ok(()) => added += 1,
                Err(error) => tracing::warn!("{error}"),
            }
        }
        if added == 0 {
            let message = format!("no RSA private key here (*.{})", ENDINGS.join(", *."));
            return Err(KeysError::Unusable { file: path.clone(), message });
        }
    }
    Ok(())
}

fn has_ending(file: &Path) -> bool {
    file.extension().is_some_and(|end| ENDINGS.iter().any(|known| end.eq_ignore_ascii_case(known)))
}

/// `ADDRESS=PATH`, or a path alone.
fn split(given: &Path) -> (Option<IpAddr>, PathBuf) {
    let text = given.to_str().unwrap_or_default();
    match text.split_once('=').and_then(|(address, path)| Some((address.parse().ok()?, path))) {
        Some((address, path)) => (Some(address), path.into()),
        None => (None, given.into()),
    }
}

fn add(ring: &KeyRing, file: &Path, server: Option<IpAddr>) -> Result<(), KeysError> {
    protect::warn_if_others_read(file);
    let text = read(file)?;
    match ring.add_rsa_key_of(&text, server) {
        Ok(_) => Ok(()),
        Err(error) => Err(KeysError::Unusable { file: file.into(), message: error.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_stand_in_front() {
        assert_eq!(split(Path::new("10.0.0.5=/k.pem")), (Some([10, 0, 0, 5].into()), "/k.pem".into()));
        assert_eq!(split(Path::new("fd00::5=k")), (Some("fd00::5".parse().unwrap()), "k".into()));
        assert_eq!(split(Path::new("/keys/a=b.pem")), (None, "/keys/a=b.pem".into()));
    }

    #[test]
    fn a_named_file_without_a_key_is_an_error_and_a_folder_without_one_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.pem");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let ring = KeyRing::new();
        let error = read_all(&ring, std::slice::from_ref(&file)).unwrap_err();
        assert!(error.to_string().contains("server.pem: there is no private key in it"), "{error}");
        let error = read_all(&ring, &[folder.path().into()]).unwrap_err();
        assert!(error.to_string().contains("no RSA private key here"), "{error}");
    }
}
