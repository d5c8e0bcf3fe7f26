//! Questions to the server service ([MS-SRVS] 3.1.4) and the workstation service ([MS-WKST] 3.2.4): which machine, which level.

use backstop_types::Fields;

use super::text::Text;
use crate::dcerpc::ndr::{MAX_NAME, Ndr};

/// A question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// The machine, as the caller names it.
    pub server: Option<Text>,
    /// The client whose sessions are asked for (`NetrSessionEnum`).
    pub client: Option<Text>,
    /// The user whose sessions or files are asked for.
    pub user: Option<Text>,
    /// A share, where one is named.
    pub share: Option<Text>,
    /// How much is to be told.
    pub level: Option<u32>,
}

/// A request of the server service, as far as it can be read.
pub fn request(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Server> {
    let mut out = Server { server: ndr.unique_string(true, MAX_NAME)?, ..Server::default() };
    match opnum {
        // Connections and files: of a share or path, and of a user.
        8 | 9 => {
            out.share = ndr.unique_string(true, MAX_NAME)?;
            if opnum == 9 {
                out.user = ndr.unique_string(true, MAX_NAME)?;
            }
        }
        12 => {
            out.client = ndr.unique_string(true, MAX_NAME)?;
            out.user = ndr.unique_string(true, MAX_NAME)?;
        }
        15 | 21 | 23 | 36 => {}
        16 => out.share = Some(ndr.wide(MAX_NAME)?),
        _ => return None,
    }
    out.level = ndr.u32();
    Some(out)
}

/// A request of the workstation service.
pub fn workstation(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Server> {
    if !matches!(opnum, 0 | 2) {
        return None;
    }
    Some(Server { server: ndr.unique_string(true, MAX_NAME)?, level: ndr.u32(), ..Server::default() })
}

impl Server {
    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.set_some("server", self.server.as_ref()).set_some("client", self.client.as_ref());
        fields.set_some("user", self.user.as_ref()).set_some("share", self.share.as_ref()).set_some("level", self.level);
        fields
    }
}
