//! Tabular Data Stream ([MS-TDS] 7.0 to 7.4, and 8.0 inside TLS): how clients speak to SQL Server.
//!
//! ```text
//! client  = prelogin [tls-handshake] login7 *sspi *( batch / rpc / bulk / attention / transaction-manager )
//! server  = prelogin [tls-handshake] reply *( reply )
//! message = 1*packet                packet = header payload            the header's status bit ends a message
//! reply   = *token
//! ```
//! Found by its PRELOGIN or LOGIN7 on any port, or in the middle by the shape of a packet. Sessions multiplexed with [MC-SMP]
//! are told apart. A request is kept up to `Limits::max_message`, of a batch
//! without blanks and comments; of a longer one the head is told. Replies are walked and
//! never kept; rows are stepped over.
//!
//! Encryption ([MS-TDS] 2.2.6.5): the TLS handshake is the payload of PRELOGIN packets (type 0x12), in both directions. Behind
//! it TLS records stand on the stream themselves:
//! - full: all that follows is TLS;
//! - login only: the records up to the next packet are LOGIN7, and all else is in the clear.
//!
//! Both parts go to one TLS session (see `tunnel`); with keys what it unwraps is read here, as if it had stood on the stream.
//! TDS 8.0 begins with TLS (ALPN `tds/8.0`) and is seen as that; with keys the PRELOGIN inside is recognised.
//!
//! Known limits: ALTMETADATA, ALTROW and DATACLASSIFICATION end the walk of a reply, as do rows without column data
//! (`fNoMetaData`); behind them only the last DONE is read. Rows of a bulk load and of a table parameter are not kept.

pub mod anomaly;
mod channel;
mod connection;
mod exchange;
mod fields;
mod handles;
mod inside;
mod login;
pub(crate) mod ntlm;
mod packet;
mod parser;
mod prelogin;
mod reply;
mod request;
mod resync;
mod rpc;
mod scalar;
mod smp;
mod squeeze;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod tokens;
mod transaction;
mod tunnel;
mod types;
mod value;

pub use anomaly::is_violation;
pub use login::Login;
pub use ntlm::Sspi;
pub use prelogin::{Encryption, Prelogin};
pub use reply::{LoginAck, Reply, ReturnValue, ServerMessage};
pub use request::{Kind, Parameter, Statement};
pub use transaction::{LoginExchange, Request, Session, Stage, Transaction};
pub use value::Value;

use crate::contract::Protocol;
use crate::registry::AppProto;

/// The registered protocol.
pub static PROTOCOL: Protocol = Protocol {
    app_proto: AppProto::Tds,
    name: "tds",
    probe: resync::probe,
    parser: |around| Box::new(parser::TdsParser::new(around)),
};
