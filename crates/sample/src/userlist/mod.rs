//! Userlists: users with their passwords, and the groups that they are in.
//!
//! To hash a password takes milliseconds on purpose, and a browser sends it with each request. So each user's entry
//! remembers which password was right last, as a digest under a key that is made anew by each process: asking for that one
//! again costs a microsecond. Any other is hashed, and whoever can wait has that done elsewhere ([`Check::Hash`]).

mod crypt;
mod md5_crypt;

pub use crypt::Hash;

use crate::data::Data;
use arc_swap::ArcSwapOption;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The users of a `userlist` section.
#[derive(Debug)]
pub struct UserList {
    name: Box<str>,
    users: HashMap<Box<[u8]>, User>,
}

/// A user of a list.
pub struct User {
    password: Password,
    groups: BTreeSet<Box<[u8]>>,
    /// The digest of the password that was right last.
    right: ArcSwapOption<Digest>,
}

/// What a password is held to.
pub enum Password {
    /// There is none, so nobody is this user.
    None,
    /// The password itself: `insecure-password`.
    Plain(Box<[u8]>),
    /// A hash of it: `password`.
    Hash(Hash),
}

impl fmt::Debug for Password {
    /// Without anything of the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Password::None => "None",
            Password::Plain(_) => "Plain",
            Password::Hash(_) => "Hash",
        })
    }
}

/// What is known of a password before it is hashed.
pub enum Check {
    /// Whether it is right.
    Known(bool),
    /// It has to be hashed.
    Hash(Hashing),
}

/// A password that is to be hashed and compared, on any thread.
pub struct Hashing {
    list: Arc<UserList>,
    user: Data,
    password: Data,
}

impl Hashing {
    /// Hashes the password, which takes long, and tells whether it is right.
    #[must_use]
    pub fn run(self) -> bool {
        let Some(user) = self.list.users.get(&*self.user) else {
            return false;
        };
        let Password::Hash(hash) = &user.password else {
            return false;
        };
        let right = hash.is_of(&self.password);
        if right {
            user.right.store(digest(&self.password).map(Arc::new));
        }
        right
    }
}

impl UserList {
    /// A list without users.
    #[must_use]
    pub fn new(name: &str) -> UserList {
        UserList {
            name: name.into(),
            users: HashMap::new(),
        }
    }

    /// The section's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a user, in place of one of the same name.
    pub fn add(&mut self, name: &[u8], password: Password) {
        let user = User {
            password,
            groups: BTreeSet::new(),
            right: ArcSwapOption::empty(),
        };
        self.users.insert(name.into(), user);
    }

    /// Puts a user in a group; without such a user, nothing.
    pub fn join(&mut self, user: &[u8], group: &[u8]) {
        if let Some(user) = self.users.get_mut(user) {
            user.groups.insert(group.into());
        }
    }

    /// The groups of a user.
    pub fn groups(&self, user: &[u8]) -> impl Iterator<Item = &[u8]> {
        let groups = self.users.get(user).map(|user| user.groups.iter());
        groups.into_iter().flatten().map(|group| &**group)
    }

    /// Checks a password, as far as that can be done quickly.
    #[must_use]
    pub fn check(self: &Arc<UserList>, user: &Data, password: &Data) -> Check {
        let Some(entry) = self.users.get(&**user) else {
            return Check::Known(false);
        };
        match &entry.password {
            Password::None => Check::Known(false),
            Password::Plain(right) => Check::Known(same(right, password)),
            Password::Hash(_) if entry.remembers(password) => Check::Known(true),
            Password::Hash(_) => Check::Hash(Hashing {
                list: Arc::clone(self),
                user: user.clone().detached(),
                password: password.clone().detached(),
            }),
        }
    }

    /// Checks a password, however long that takes.
    #[must_use]
    pub fn is_right(self: &Arc<UserList>, user: &Data, password: &Data) -> bool {
        match self.check(user, password) {
            Check::Known(right) => right,
            Check::Hash(hashing) => hashing.run(),
        }
    }
}

impl User {
    fn remembers(&self, password: &[u8]) -> bool {
        let right = self.right.load();
        match (&*right, digest(password)) {
            (Some(right), Some(digest)) => same(&right[..], &digest),
            _ => false,
        }
    }
}

impl fmt::Debug for User {
    /// Without anything of the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}

/// All userlists of a configuration.
#[derive(Clone, Debug, Default)]
pub struct UserLists(BTreeMap<Box<str>, Arc<UserList>>);

impl UserLists {
    /// Adds a list, in place of one of the same name.
    pub fn add(&mut self, list: UserList) {
        self.0.insert(list.name.clone(), Arc::new(list));
    }

    /// The list of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<UserList>> {
        self.0.get(name)
    }

    /// The names of all lists, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

type Digest = [u8; 32];

/// The digest of a password under the process' own key; none if the system gives no random bytes for one.
fn digest(password: &[u8]) -> Option<Digest> {
    static KEY: LazyLock<Option<hmac::Key>> =
        LazyLock::new(|| hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok());
    let tag = hmac::sign(KEY.as_ref()?, password);
    tag.as_ref().try_into().ok()
}

/// Whether two texts are equal, in a time that tells nothing but their lengths.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differ = one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$5$rounds=1000$salt$CCvcOM6b7TEJDPb37Aec/9UpOg4QhPNAxPpL9ZzjTB7";

    fn list() -> Arc<UserList> {
        let mut list = UserList::new("L1");
        list.add(b"scott", Password::Plain(b"elgato"[..].into()));
        list.add(b"tiger", Password::Hash(Hash::parse(HASH).unwrap()));
        list.add(b"nobody", Password::None);
        list.join(b"scott", b"G1");
        list.join(b"scott", b"G2");
        list.join(b"unknown", b"G2");
        Arc::new(list)
    }

    fn check(list: &Arc<UserList>, user: &str, password: &str) -> Check {
        list.check(&Data::from(user), &Data::from(password))
    }

    #[test]
    fn plain_passwords_are_compared() {
        let list = list();
        assert!(matches!(check(&list, "scott", "elgato"), Check::Known(true)));
        for (user, password) in [
            ("scott", "elgat"),
            ("scott", "elgatp"),
            ("scott", ""),
            ("nobody", ""),
            ("x", ""),
        ] {
            assert!(
                matches!(check(&list, user, password), Check::Known(false)),
                "{user} {password}"
            );
        }
        assert_eq!(list.groups(b"scott").collect::<Vec<_>>(), [b"G1", b"G2"]);
        assert_eq!(list.groups(b"unknown").count(), 0);
    }

    #[test]
    fn a_right_password_is_hashed_once_and_a_wrong_one_always() {
        let list = list();
        let hash = |password| match check(&list, "tiger", password) {
            Check::Hash(hashing) => hashing.run(),
            Check::Known(known) => panic!("{password} is known to be {known}"),
        };
        assert!(!hash("wrong"));
        assert!(!hash("wrong"));
        assert!(hash("secret"));
        assert!(matches!(check(&list, "tiger", "secret"), Check::Known(true)));
        assert!(!hash("wrong"));
        assert!(matches!(check(&list, "tiger", "secret"), Check::Known(true)));
    }
}
