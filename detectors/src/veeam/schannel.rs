//! What a ClientHello of Schannel, the TLS of Windows, looks like: a rule over its structure.
//!
//! Hashes of whole hellos change with every policy and program; what Schannel can offer at all does not. Sources:
//! - cipher suites: Microsoft Learn, "Cipher Suites in TLS/SSL (Schannel SSP)" and the pages of each Windows version linked from
//!   there (defaults, and suites that can be switched on). Documented.
//! - extensions and their order, groups, point formats: read off published JA3 texts of Windows programs (see the tests). Derived:
//!   Microsoft does not document them, and the project has no Windows to measure.
//!
//! The order of suites is the administrator's to set (Group Policy "SSL Cipher Suite Order"), so that alone proves nothing.

use backstop_protocols::tls::ClientHello;

/// Default orders by Windows version, the newest first.
pub static ORDERS: [(&str, &[u16]); 5] = [
    (
        "Windows 11, Server 2022 and later",
        &[
            0x1302, 0x1301, 0xc02c, 0xc02b, 0xc030, 0xc02f, 0x009f, 0x009e, 0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009,
            0xc014, 0xc013, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f,
        ],
    ),
    (
        "Windows 10, Server 2016 and 2019",
        &[
            0xc02c, 0xc02b, 0xc030, 0xc02f, 0x009f, 0x009e, 0xc024, 0xc023, 0xc028, 0xc027, 0xc00a, 0xc009, 0xc014, 0xc013,
            0x0039, 0x0033, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, 0x000a, 0x006a, 0x0040, 0x0038, 0x0032, 0x0013,
            0x0005, 0x0004,
        ],
    ),
    (
        "Windows 8.1, Server 2012 R2",
        &[
            0xc028, 0xc027, 0xc014, 0xc013, 0x009f, 0x009e, 0x0039, 0x0033, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f,
            0xc02c, 0xc02b, 0xc024, 0xc023, 0xc00a, 0xc009, 0x006a, 0x0040, 0x0038, 0x0032, 0x000a, 0x0013, 0x0005, 0x0004,
        ],
    ),
    (
        "Windows 7, Server 2008 R2",
        &[
            0x003c, 0x002f, 0x003d, 0x0035, 0x0005, 0x000a, 0xc027, 0xc013, 0xc014, 0xc02b, 0xc023, 0xc02c, 0xc024, 0xc009,
            0xc00a, 0x0040, 0x0032, 0x006a, 0x0038, 0x0013, 0x0004,
        ],
    ),
    (
        "Windows 7 with TLS 1.0 only",
        &[0x002f, 0x0035, 0x0005, 0x000a, 0xc013, 0xc014, 0xc009, 0xc00a, 0x0032, 0x0038, 0x0013, 0x0004],
    ),
];

/// Suites that Windows has, and that are off unless somebody switches them on: ChaCha20, PSK, no encryption.
const OFF_BY_DEFAULT: [u16; 10] = [0x1303, 0x00a9, 0x00a8, 0x00af, 0x00ae, 0x00b1, 0x00b0, 0x003b, 0x0002, 0x0001];

/// Extensions (IANA, TLS ExtensionType Values): `server_name`, `status_request`, `supported_groups`, `ec_point_formats`,
/// `signature_algorithms`, ALPN, `extended_master_secret`, `token_binding`, `session_ticket`, `pre_shared_key`,
/// `supported_versions`, `cookie`, `psk_key_exchange_modes`, `post_handshake_auth`, `key_share`, `renegotiation_info`.
const EXTENSIONS: [u16; 16] = [0, 5, 10, 11, 13, 16, 23, 24, 35, 41, 43, 44, 45, 49, 51, 0xff01];
const SERVER_NAME: u16 = 0;
const STATUS_REQUEST: u16 = 5;
const GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const EXTENDED_MASTER_SECRET: u16 = 23;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// Signalling suites (RFC 5746 §3.3, RFC 7507 §2): Schannel uses the extension instead of the one, and never falls back by itself.
const SIGNALS: [u16; 2] = [0x00ff, 0x5600];

/// What no hello of Schannel has; empty for one that may be its.
pub fn differences(hello: &ClientHello) -> Vec<&'static str> {
    let mut found = Vec::new();
    let mut say = |differs: bool, name: &'static str| {
        if differs {
            found.push(name);
        }
    };
    let lists = [&hello.ciphers, &hello.extensions, &hello.groups, &hello.supported_versions, &hello.signature_algorithms];
    let greases = lists.iter().any(|list| list.iter().any(|&value| is_grease(value)));
    say(greases, "grease");
    say(hello.ciphers.iter().any(|suite| SIGNALS.contains(suite)), "signalling_suite");
    let is_foreign = |&suite: &u16| !is_grease(suite) && !SIGNALS.contains(&suite) && !is_suite(suite);
    say(hello.ciphers.iter().any(is_foreign), "foreign_suite");
    say(hello.extensions.iter().any(|kind| !is_grease(*kind) && !EXTENSIONS.contains(kind)), "foreign_extension");
    say(!hello.extensions.contains(&RENEGOTIATION_INFO), "no_renegotiation_info");
    say(!are_in_order(&hello.extensions), "extension_order");
    say(hello.extensions.contains(&POINT_FORMATS) && hello.point_formats != [0], "point_formats");
    // RFC 7919 groups and X448 are not among those that Windows names.
    say(hello.groups.iter().any(|group| matches!(group, 30 | 0x0100..=0x0104)), "foreign_group");
    if !found.is_empty() && !is_default_order(&hello.ciphers) {
        found.push("suite_order");
    }
    found
}

fn is_suite(suite: u16) -> bool {
    OFF_BY_DEFAULT.contains(&suite) || ORDERS.iter().any(|(_, order)| order.contains(&suite))
}

/// The default order of a Windows version, some left out.
fn is_default_order(suites: &[u16]) -> bool {
    ORDERS.iter().any(|(_, order)| {
        let mut rest = order.iter();
        suites.iter().all(|suite| rest.any(|known| known == suite))
    })
}

/// The name comes first, the request for a certificate's status behind it, point formats right behind the groups, and
/// `renegotiation_info` before all of them (Windows 7) or behind `extended_master_secret`.
fn are_in_order(extensions: &[u16]) -> bool {
    let place = |kind: u16| extensions.iter().position(|&known| known == kind);
    let head = usize::from(place(RENEGOTIATION_INFO) == Some(0));
    let named = place(SERVER_NAME).is_none_or(|at| at == head);
    let asks_status = place(STATUS_REQUEST).is_none_or(|at| at == head + usize::from(place(SERVER_NAME).is_some()));
    let curves = place(POINT_FORMATS) == place(GROUPS).map(|at| at + 1);
    let renewed =
        head == 1 || place(RENEGOTIATION_INFO).zip(place(EXTENDED_MASTER_SECRET)).is_none_or(|(info, secret)| info > secret);
    named && asks_status && curves && renewed
}

/// RFC 8701 §2.
const fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}
