//! Questions about sessions, shares and users: [MS-SRVS] 3.1.4 and [MS-WKST] 3.2.4.

use backstop_types::Fields;

use super::text::Text;
use crate::dcerpc::ndr::{MAX_NAME, Ndr};

/// A question about a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The machine, as the caller names it.
    pub server: Option<Text>,
    /// The share that is asked about.
    pub share: Option<Text>,
    /// Of which client.
    pub client: Option<Text>,
    /// Of which user.
    pub user: Option<Text>,
    /// How much is asked.
    pub level: Option<u32>,
}

/// A request of srvsvc.
pub fn server(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Listing> {
    let mut listing = Listing { server: ndr.unique_string(true, MAX_NAME)?, ..Listing::default() };
    match opnum {
        // NetrConnectionEnum, and NetrFileEnum, which asks by path.
        8 | 9 => {
            let _ = qualified(&mut listing, ndr, opnum == 9);
        }
        12 => {
            let _ = sessions(&mut listing, ndr, true);
        }
        13 => {
            let _ = sessions(&mut listing, ndr, false);
        }
        15 | 36 => {
            ndr.align_pointer();
            listing.level = ndr.u32();
        }
        16 => {
            listing.share = ndr.wide(MAX_NAME);
            listing.level = listing.share.as_ref().and_then(|_| ndr.u32());
        }
        18 | 19 => listing.share = ndr.wide(MAX_NAME),
        21 | 23 => listing.level = ndr.u32(),
        28 => {}
        _ => return None,
    }
    Some(listing)
}

fn qualified(listing: &mut Listing, ndr: &mut Ndr<'_>, user: bool) -> Option<()> {
    listing.share = ndr.unique_string(true, MAX_NAME)?;
    if user {
        listing.user = ndr.unique_string(true, MAX_NAME)?;
    }
    ndr.align_pointer();
    listing.level = Some(ndr.u32()?);
    Some(())
}

fn sessions(listing: &mut Listing, ndr: &mut Ndr<'_>, level: bool) -> Option<()> {
    listing.client = ndr.unique_string(true, MAX_NAME)?;
    listing.user = ndr.unique_string(true, MAX_NAME)?;
    if level {
        ndr.align_pointer();
        listing.level = Some(ndr.u32()?);
    }
    Some(())
}

/// A request of wkssvc.
pub fn workstation(opnum: u16, ndr: &mut Ndr<'_>) -> Option<Listing> {
    let mut listing = Listing { server: ndr.unique_string(true, MAX_NAME)?, ..Listing::default() };
    match opnum {
        0 => listing.level = ndr.u32(),
        2 | 5 | 11 => {
            ndr.align_pointer();
            listing.level = ndr.u32();
        }
        _ => return None,
    }
    Some(listing)
}

impl Listing {
    /// For evidence.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.set_some("server", self.server.as_ref()).set_some("share", self.share.as_ref());
        fields.set_some("client", self.client.as_ref()).set_some("user", self.user.as_ref());
        fields.set_some("level", self.level);
        fields
    }
}
