//! The direction of bytes in a flow.

/// Which way bytes travel, seen from the flow's initiator. Never a `bool`, never a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the initiator (client) to the responder (server).
    ToServer,
    /// From the responder (server) to the initiator (client).
    ToClient,
}

impl Direction {
    /// Both directions, initiator first.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];

    /// The other direction.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }

    /// The EVE name: `to_server` or `to_client`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ToServer => "to_server",
            Self::ToClient => "to_client",
        }
    }
}

/// One value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerDirection<T> {
    /// The value of the bytes to the server.
    pub to_server: T,
    /// The value of the bytes to the client.
    pub to_client: T,
}

impl<T> PerDirection<T> {
    /// The value of one direction.
    #[must_use]
    pub const fn get(&self, direction: Direction) -> &T {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// The value of one direction, to change.
    #[must_use]
    pub const fn get_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// The value of one direction first, then that of the other, to change.
    #[must_use]
    pub const fn pair_mut(&mut self, direction: Direction) -> (&mut T, &mut T) {
        match direction {
            Direction::ToServer => (&mut self.to_server, &mut self.to_client),
            Direction::ToClient => (&mut self.to_client, &mut self.to_server),
        }
    }

    /// Exchanges the two values: the initiator turned out to be the other side.
    pub const fn flip(&mut self) {
        core::mem::swap(&mut self.to_server, &mut self.to_client);
    }
}
