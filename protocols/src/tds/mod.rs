//! Tabular Data Stream ([MS-TDS] 7.0 to 7.4, and 8.0 inside TLS): how clients speak to SQL Server.
//!
//! ```text
//! client  = prelogin [tls-handshake] login7 *sspi *( batch / rpc / bulk / attention / transaction-manager )
//! server  = prelogin [tls-handshake] reply *( reply )
//! message = 1*packet                packet = header payload            the header's status bit ends a message
//! reply   = *token
//! ```
//! Found by its PRELOGIN or LOGIN7 on any port, or in the middle by the shape of a packet. Sessions multiplexed with [MC-SMP]
//! are told apart. A request is kept up to `Limits::max_message`; of a longer one the head is told. Replies are walked and
//! never kept; rows are stepped over.
//!
//! Encryption ([MS-TDS] 2.2.6.5): the TLS handshake is the payload of PRELOGIN packets (type 0x12), in both directions; its
//! records are counted here and given to nobody. Behind it TLS records stand on the stream themselves:
//! - full: this parser answers `Wrap { within: Tls }` at the first of them, in the direction that comes first, and goes on with
//!   what TLS unwraps; the other direction is passed over (see `parser`);
//! - login only: the records up to the next packet are LOGIN7, and are passed over; all else is in the clear.
//!
//! Decryption with keys would need the handshake too: the payloads of type 0x12, without headers, must reach the TLS layer in
//! front of the records, in both directions, before the `Wrap`. For a login only, the TLS layer must give a direction back
//! after the record that ends LOGIN7.
//! TDS 8.0 begins with TLS (ALPN `tds/8.0`) and is seen as that; inside, there is no second handshake.
//!
//! Known limits: ALTMETADATA, ALTROW and DATACLASSIFICATION end the walk of a reply, as do rows without column data
//! (`fNoMetaData`); behind them only the last DONE is read. Rows of a bulk load and of a table parameter are not kept.

pub mod anomaly;
mod channel;
mod connection;
mod exchange;
mod fields;
mod handles;
mod login;
mod ntlm;
mod packet;
mod parser;
mod prelogin;
mod reply;
mod request;
mod resync;
mod rpc;
mod scalar;
mod smp;
#[cfg(test)]
mod tests;
mod text;
mod tokens;
mod transaction;
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
    parser: |around| Box::new(parser::TdsParser::new(&around.limits)),
};
