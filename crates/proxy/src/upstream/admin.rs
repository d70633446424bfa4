//! Why a server is out of service or runs dry, and what operators ask for.

/// Why a server is out of service or takes no new sessions: HAProxy's mask of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admin(pub(super) u8);

impl Admin {
    /// An operator took it out of service.
    pub const FORCED_MAINT: Admin = Admin(0x01);
    /// The server that it tracks is out of service.
    pub const INHERITED_MAINT: Admin = Admin(0x02);
    /// It began out of service: `disabled`.
    pub const CONFIG_MAINT: Admin = Admin(0x04);
    /// An operator lets it run dry.
    pub const FORCED_DRAIN: Admin = Admin(0x08);
    /// The server that it tracks runs dry.
    pub const INHERITED_DRAIN: Admin = Admin(0x10);
    /// Its name has no address.
    pub const RESOLUTION_MAINT: Admin = Admin(0x20);
    const MAINT: u8 = 0x01 | 0x02 | 0x04 | 0x20;
    pub(super) const DRAIN: u8 = 0x08 | 0x10;

    /// The mask.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Whether all reasons of `other` are among these.
    pub fn has(self, other: Admin) -> bool {
        self.0 & other.0 == other.0
    }

    /// An operator, or an agent, took it out of service or lets it run dry.
    pub fn is_forced(self) -> bool {
        self.0 & (Admin::FORCED_MAINT.0 | Admin::FORCED_DRAIN.0) != 0
    }

    /// There is no address for its name.
    pub fn is_unresolved(self) -> bool {
        self.has(Admin::RESOLUTION_MAINT)
    }

    /// Out of service.
    pub fn is_maint(self) -> bool {
        self.0 & Admin::MAINT != 0
    }

    /// All of these but those.
    pub(crate) fn without(self, other: Admin) -> Admin {
        Admin(self.0 & !other.0)
    }

    /// Takes no new sessions but those that belong to it, while it is in service.
    pub fn is_drain(self) -> bool {
        !self.is_maint() && self.0 & Admin::DRAIN != 0
    }
}

/// What an operator asks for (`set server … state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminState {
    /// In service.
    Ready,
    /// No new sessions but those that belong to it.
    Drain,
    /// Out of service.
    Maint,
}
