//! The list of protocols. A new one is its folder, its `mod` line and its line in the list.

use crate::contract::{Datagrams, FilePart, Protocol};

/// Declares [`AppProto`], [`Transaction`] and [`PROTOCOLS`] from one list.
macro_rules! app_layer {
    ($($(#[$doc:meta])* $variant:ident => $module:ident),* $(,)?) => {
        /// An identified protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AppProto { $($(#[$doc])* $variant),* }

        impl AppProto {
            /// EVE `app_proto`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $module::PROTOCOL.name),* }
            }

            /// The registered protocol.
            #[must_use]
            pub fn protocol(self) -> &'static Protocol {
                match self { $(Self::$variant => &$module::PROTOCOL),* }
            }
        }

        /// A request, its reply, or a stage of both.
        #[derive(Clone, Debug)]
        pub enum Transaction<'a> { $($(#[$doc])* $variant($module::Transaction<'a>)),* }

        impl Transaction<'_> {
            /// Which protocol it is of.
            #[must_use]
            pub const fn app_proto(&self) -> AppProto {
                match self { $(Self::$variant(_) => AppProto::$variant),* }
            }

            /// Number within the flow and protocol, from 0.
            #[must_use]
            pub fn tx_id(&self) -> Option<u64> {
                match self { $(Self::$variant(tx) => tx.tx_id()),* }
            }

            /// The decoded facts, secrets left out.
            #[must_use]
            pub fn fields(&self) -> backstop_types::Fields {
                match self { $(Self::$variant(tx) => tx.fields()),* }
            }

            /// Whether this stage is written as a record of its own (`event_type` is the protocol's name).
            #[must_use]
            pub fn is_record(&self) -> bool {
                match self { $(Self::$variant(tx) => tx.is_record()),* }
            }
        }

        /// Every protocol, in the order in which they are probed.
        pub static PROTOCOLS: &[&Protocol] = &[$(&$module::PROTOCOL),*];
    };
}

#[path = "nbfse/mod.rs"]
pub mod nbfse;
#[path = "nrbf/mod.rs"]
pub mod nrbf;
#[path = "soap/mod.rs"]
pub mod soap;

#[path = "dcerpc/mod.rs"]
pub mod dcerpc;
#[path = "dns/mod.rs"]
pub mod dns;
#[path = "echo/mod.rs"]
pub mod echo;
#[path = "http/mod.rs"]
pub mod http;
#[path = "nmf/mod.rs"]
pub mod nmf;
#[path = "nrtp/mod.rs"]
pub mod nrtp;
#[path = "pgsql/mod.rs"]
pub mod pgsql;
#[path = "smb/mod.rs"]
pub mod smb;
#[path = "tds/mod.rs"]
pub mod tds;
#[path = "tls/mod.rs"]
pub mod tls;
#[path = "veeam/mod.rs"]
pub mod veeam;
#[path = "winrm/mod.rs"]
pub mod winrm;

app_layer! {
    /// [MC-NMF]: .NET message framing, the net.tcp transport of WCF.
    Nmf => nmf,
    /// TLS, as far as it is in the clear.
    Tls => tls,
    /// [MS-TDS]: Tabular Data Stream, how clients speak to SQL Server.
    Tds => tds,
    /// Veeam's remote invocation on top of NMF and SOAP; never probed, NMF hands it on.
    Veeam => veeam,
    /// PostgreSQL's frontend/backend protocol.
    Pgsql => pgsql,
    /// HTTP/1.x.
    Http => http,
    /// Windows Remote Management on top of HTTP; never probed, HTTP hands it on.
    Winrm => winrm,
    /// DNS.
    Dns => dns,
    /// SMB: files, pipes and services of Windows hosts.
    Smb => smb,
    /// DCE/RPC over connections.
    Dcerpc => dcerpc,
    /// [MS-NRTP]: .NET remoting over TCP.
    Nrtp => nrtp,
    /// The template (RFC 862).
    Echo => echo,
}

impl Transaction<'_> {
    /// The piece of a file that it brings. A protocol that carries files has its line here.
    #[must_use]
    pub fn file_part(&self) -> Option<FilePart<'_>> {
        match self {
            Self::Http(tx) => tx.file_part(),
            Self::Smb(tx) => tx.file_part(),
            _ => None,
        }
    }
}

impl<'a> Transaction<'a> {
    /// The bind or call of DCE/RPC that it tells, whatever carries it: TCP, a pipe of SMB, HTTP.
    #[must_use]
    pub const fn rpc(&self) -> Option<&dcerpc::Transaction<'a>> {
        match self {
            Self::Dcerpc(rpc) => Some(rpc),
            Self::Smb(smb::Transaction::Rpc(call)) => Some(&call.rpc),
            _ => None,
        }
    }
}

/// Protocols of datagrams, in the order in which they are probed.
pub static DATAGRAMS: &[&Datagrams] = &[&dns::DATAGRAMS];
