//! DCE/RPC (C706 chapter 12, [MS-RPCE] 2.2.2): as much of it as says which operation of which interface is called. A beginning:
//! headers, binds and requests of connection-oriented RPC, as pipes of SMB carry them. What arguments say is not read.
//!
//! ```text
//! pipe  = *pdu                      header body [verifier]        of 16 bytes at least, `frag_length` in all
//! bind  = 1*context                 context id → interface and its version
//! call  = 1*request / 1*response    fragments of one call id
//! ```

pub mod calls;
pub mod ndr;
mod pdu;
mod reader;
#[cfg(test)]
mod tests;

pub use pdu::{Bound, Header, Kind, Request, bound, request};
pub use reader::{Pdu, Reader};
