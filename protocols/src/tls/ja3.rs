//! JA3 and JA3S (salesforce/ja3, BSD-3-Clause): decimal values, `-` between values, `,` between lists, MD5.

use std::fmt::{Display, Write};

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};

use super::hello::{ClientHello, ServerHello};
use super::wire::is_grease;

/// A fingerprint and the text it is the hash of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ja3 {
    /// The text.
    pub string: String,
    /// MD5 of the text, lower case hex.
    pub hash: String,
}

impl Ja3 {
    fn new(string: String) -> Self {
        let hash = HEXLOWER.encode(&Md5::digest(string.as_bytes()));
        Self { string, hash }
    }

    /// `version,ciphers,extensions,groups,point formats`, GREASE left out.
    #[must_use]
    pub fn of_client(hello: &ClientHello) -> Self {
        let mut text = hello.version.to_string();
        for values in [&hello.ciphers, &hello.extensions, &hello.groups] {
            append(&mut text, values.iter().filter(|value| !is_grease(**value)));
        }
        append(&mut text, hello.point_formats.iter());
        Self::new(text)
    }

    /// JA3S: `version,cipher,extensions`.
    #[must_use]
    pub fn of_server(hello: &ServerHello) -> Self {
        let mut text = hello.legacy_version.to_string();
        append(&mut text, std::iter::once(&hello.cipher));
        append(&mut text, hello.extensions.iter());
        Self::new(text)
    }
}

fn append(text: &mut String, values: impl Iterator<Item = impl Display>) {
    text.push(',');
    for (at, value) in values.enumerate() {
        let separator = if at == 0 { "" } else { "-" };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{value}");
    }
}
