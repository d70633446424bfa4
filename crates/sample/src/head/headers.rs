//! The fields of a head.

use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::field::{AsName, FieldName, FieldValue, IsName, IsValue};
use super::names::KnownName;

/// What was written and is no longer used is cleared away when there is more of it than this, and than of the rest.
const UNUSED_BYTES_MAX: usize = 4096;

/// Lists that a thread keeps for the next heads, and how much room such a list has at most for what is written.
const SPARE_MAX: usize = 256;
const SPARE_BYTES_MAX: usize = 1024;

/// A head gets the very box that another has let go of.
type Spare = Vec<Box<List>>;

thread_local! {
    /// Each message has a list or two, and lets go of them soon.
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare::new()) };
}

/// The fields of a head, in their order. Several may have the same name, and need not be neighbours.
///
/// Names are in lower case, and looked for without regard to it.
///
/// ```
/// use http::HeaderValue;
/// use tidegate_sample::head::{Headers, names};
///
/// let mut headers = Headers::new();
/// headers.append("x-a", HeaderValue::from_static("1"));
/// headers.append(names::HOST, HeaderValue::from_static("example.org"));
/// headers.append("x-a", HeaderValue::from_static("2"));
/// assert_eq!(headers.get("Host").map(|host| host.as_bytes()), Some(&b"example.org"[..]));
/// assert!(headers.get_all("x-a").eq(["1", "2"]));
///
/// headers.insert("x-a", 3_u64);
/// let fields: Vec<_> = headers.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
/// assert_eq!(fields, [r#"host="example.org""#, r#"x-a="3""#]);
/// ```
#[derive(Default)]
pub struct Headers(
    /// Boxed: heads are moved often, and looked at in one place.
    Option<Box<List>>,
);

/// As many fields as most heads have lie beside the rest, so that a list is one piece of memory.
type Fields = SmallVec<[Field; 16]>;

struct List {
    /// The head as it came; nobody changes it.
    received: Bytes,
    /// What was made of it and what was added.
    written: Vec<u8>,
    fields: Fields,
    /// At this length of `written` it is looked whether it can be shorter.
    tidied_at: usize,
}

impl Default for List {
    fn default() -> List {
        List {
            received: Bytes::new(),
            written: Vec::new(),
            fields: Fields::new(),
            tidied_at: UNUSED_BYTES_MAX,
        }
    }
}

/// Where a field is.
#[derive(Clone, Copy)]
struct Field {
    name_at: u32,
    value_at: u32,
    value_len: u32,
    name_len: u16,
    known: KnownName,
    /// Which of the two was written.
    written: Written,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Nothing,
    Name,
    Both,
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<V> {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
    /// It gets this value.
    To(V),
}

impl Headers {
    /// No fields.
    #[must_use]
    pub const fn new() -> Headers {
        Headers(None)
    }

    /// A list for so many fields, which a codec [finds](Self::found) in what was received.
    #[must_use]
    pub fn within(received: Bytes, fields: usize) -> Headers {
        Headers(Some(List::new(received, fields, 0)))
    }

    /// A list with room for so many bytes, for a codec that [finds](Self::found) fields elsewhere than in what was received.
    #[must_use]
    pub fn with_room(bytes: usize) -> Headers {
        Headers(Some(List::new(Bytes::new(), 0, bytes)))
    }

    /// Takes in a field that a codec found in what was received, and checked: what makes up a name and a value is for the
    /// codec to say. Both are parts of what was received; anything else is copied.
    pub fn found(&mut self, name: FieldName<'_>, value: &[u8]) {
        self.list_mut().found(name, value);
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields().len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields().is_empty()
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: impl AsName) -> Option<FieldValue<'_>> {
        let (list, name) = (self.list(), name.as_name());
        let field = list.fields.iter().find(|field| list.is_named(field, name))?;
        Some(list.value(field))
    }

    /// The values of a name, in their order.
    pub fn get_all<N: AsName>(
        &self,
        name: N,
    ) -> impl DoubleEndedIterator<Item = FieldValue<'_>> + use<'_, N> {
        let list = self.list();
        let known = name.as_name().known;
        let is_named = move |field: &&Field| {
            field.known == known && (!known.is_other() || is_same(list.name(field), name.as_name()))
        };
        { list.fields.iter() }
            .filter(is_named)
            .map(|field| list.value(field))
    }

    /// Whether there is a field of this name.
    #[must_use]
    pub fn contains(&self, name: impl AsName) -> bool {
        let (list, name) = (self.list(), name.as_name());
        list.fields.iter().any(|field| list.is_named(field, name))
    }

    /// All fields, in their order.
    pub fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = (FieldName<'_>, FieldValue<'_>)> + ExactSizeIterator {
        let list = self.list();
        { list.fields.iter() }.map(|field| (list.name(field), list.value(field)))
    }

    /// The names of all fields, in their order; that of several fields comes several times.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = FieldName<'_>> + ExactSizeIterator {
        let list = self.list();
        list.fields.iter().map(|field| list.name(field))
    }

    /// The names that there are, each once.
    pub fn distinct_names(&self) -> impl Iterator<Item = FieldName<'_>> {
        let list = self.list();
        let first = { list.fields.iter().enumerate() }.filter(|(at, field)| {
            let before = list.fields.get(..*at).unwrap_or_default();
            !before.iter().any(|other| list.is_named(other, list.name(field)))
        });
        first.map(|(_, field)| list.name(field))
    }

    /// The values of all fields, in their order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = FieldValue<'_>> + ExactSizeIterator {
        let list = self.list();
        list.fields.iter().map(|field| list.value(field))
    }

    /// Adds a field behind the others.
    pub fn append(&mut self, name: impl IsName, value: impl IsValue) {
        self.list_mut().write(name.as_name(), |to| value.write(to));
    }

    /// Adds a field behind the others, and removes those of its name that were there.
    pub fn insert(&mut self, name: impl IsName, value: impl IsValue) {
        self.remove(name.as_name());
        self.append(name, value);
    }

    /// Adds a field before the others.
    pub fn prepend(&mut self, name: impl IsName, value: impl IsValue) {
        let others = self.len();
        self.append(name, value);
        let list = self.list_mut();
        let added = list.fields.len() - others;
        list.fields.rotate_right(added);
    }

    /// Removes all fields of a name. Returns whether there was one.
    pub fn remove(&mut self, name: impl AsName) -> bool {
        let name = name.as_name();
        let Some(list) = &mut self.0 else {
            return false;
        };
        let mut removed = false;
        let mut at = 0;
        while let Some(field) = list.fields.get(at) {
            if list.is_named(field, name) {
                list.fields.remove(at);
                removed = true;
            } else {
                at += 1;
            }
        }
        removed
    }

    /// Keeps the fields for which this holds.
    pub fn retain(&mut self, mut holds: impl FnMut(FieldName<'_>, FieldValue<'_>) -> bool) {
        let Some(list) = &mut self.0 else { return };
        let mut fields = std::mem::take(&mut list.fields);
        fields.retain(|field| holds(list.name(field), list.value(field)));
        list.fields = fields;
    }

    /// Changes the fields of a name where they are.
    pub fn change<V: IsValue>(
        &mut self,
        name: impl AsName,
        mut change: impl FnMut(FieldValue<'_>) -> Change<V>,
    ) {
        let Some(list) = &mut self.0 else { return };
        let name = name.as_name();
        let mut at = 0;
        while let Some(field) = list.fields.get(at) {
            if !list.is_named(field, name) {
                at += 1;
                continue;
            }
            match change(list.value(field)) {
                Change::Keep => at += 1,
                Change::Remove => drop(list.fields.remove(at)),
                Change::To(new) => {
                    let others = list.fields.len();
                    list.write(name, |to| new.write(to));
                    if list.fields.len() == others {
                        list.fields.remove(at);
                    } else {
                        list.fields.swap_remove(at);
                        at += 1;
                    }
                }
            }
        }
    }

    /// Removes all fields.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// The bytes of all names and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = |field: &Field| usize::from(field.name_len) + field.value_len as usize;
        self.fields().iter().map(bytes).sum()
    }

    /// A copy in memory of its own, no larger than needed, for whoever keeps it longer than the message lives. To copy it again
    /// is cheap.
    #[must_use]
    pub fn detached(&self) -> Headers {
        let mut copy = List::new(Bytes::new(), self.len(), self.bytes());
        for (name, value) in self.iter() {
            copy.write(name, |to| value.write(to));
        }
        copy.sealed()
    }

    fn fields(&self) -> &[Field] {
        self.0.as_ref().map_or(&[], |list| &list.fields)
    }

    fn list(&self) -> &List {
        self.0.as_deref().unwrap_or(&EMPTY)
    }

    fn list_mut(&mut self) -> &mut List {
        self.0.get_or_insert_with(List::spare)
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if let Some(list) = self.0.take() {
            list.keep();
        }
    }
}

/// What there is where nothing is.
static EMPTY: List = List {
    received: Bytes::new(),
    written: Vec::new(),
    fields: Fields::new_const(),
    tidied_at: UNUSED_BYTES_MAX,
};

impl List {
    /// One that is empty.
    fn spare() -> Box<List> {
        // Made where it stays: most of it needs no first value, and is not worth being moved.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        spare.ok().flatten().unwrap_or_default()
    }

    /// Keeps it for the next head, if it is no larger than most.
    fn keep(mut self: Box<List>) {
        if self.fields.spilled() || self.written.capacity() > SPARE_BYTES_MAX {
            return;
        }
        self.received = Bytes::new();
        self.written.clear();
        self.fields.clear();
        self.tidied_at = UNUSED_BYTES_MAX;
        // A thread that ends keeps nothing.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARE_MAX {
                spare.push(self);
            }
        });
    }

    fn new(received: Bytes, fields: usize, written: usize) -> Box<List> {
        let mut list = List::spare();
        list.received = received;
        list.written.reserve(written);
        list.fields.reserve_exact(fields);
        list
    }

    fn found(&mut self, name: FieldName<'_>, value: &[u8]) {
        let Some(value_at) = place(&self.received, value) else {
            return self.write(name, |to| to.extend_from_slice(value));
        };
        let FieldName { known, text } = name;
        let mut field = Field {
            name_at: 0,
            value_at,
            value_len: value.len() as u32,
            name_len: text.len() as u16,
            known,
            written: Written::Nothing,
        };
        if known.is_other() {
            let is_lower = !text.iter().any(u8::is_ascii_uppercase);
            match place(&self.received, text).filter(|_| is_lower) {
                Some(at) => field.name_at = at,
                None => {
                    field.name_at = self.written.len() as u32;
                    field.written = Written::Name;
                    self.written.extend(text.iter().map(u8::to_ascii_lowercase));
                }
            }
        }
        self.fields.push(field);
    }

    fn is_named(&self, field: &Field, name: FieldName<'_>) -> bool {
        field.known == name.known && (!field.known.is_other() || is_same(self.name(field), name))
    }

    fn name(&self, field: &Field) -> FieldName<'_> {
        let text = match (field.known.is_other(), field.written) {
            (false, _) => field.known.as_str().as_bytes(),
            (true, Written::Nothing) => part(&self.received, field.name_at, field.name_len.into()),
            (true, _) => part(&self.written, field.name_at, field.name_len.into()),
        };
        FieldName {
            known: field.known,
            text,
        }
    }

    fn value(&self, field: &Field) -> FieldValue<'_> {
        match field.written {
            Written::Both => FieldValue {
                bytes: part(&self.written, field.value_at, field.value_len),
                part_of: None,
            },
            _ => FieldValue {
                bytes: part(&self.received, field.value_at, field.value_len),
                part_of: Some(&self.received),
            },
        }
    }

    /// Adds a field of which nothing was received.
    fn write(&mut self, name: FieldName<'_>, value: impl FnOnce(&mut Vec<u8>)) {
        if self.written.len() >= self.tidied_at {
            self.tidy();
        }
        let name_at = self.written.len();
        if name.known.is_other() {
            self.written.extend(name.text.iter().map(u8::to_ascii_lowercase));
        }
        let value_at = self.written.len();
        value(&mut self.written);
        // Nobody sends a field that is larger than this: it is left out.
        if let (Ok(name_len), Ok(_)) = (u16::try_from(name.text.len()), u32::try_from(self.written.len())) {
            self.fields.push(Field {
                name_at: name_at as u32,
                value_at: value_at as u32,
                value_len: (self.written.len() - value_at) as u32,
                name_len,
                known: name.known,
                written: Written::Both,
            });
        }
    }

    /// Leaves out what is no longer used of what was written, if that is the most of it.
    fn tidy(&mut self) {
        let of_field = |field: &Field| match field.written {
            Written::Nothing => 0,
            Written::Name => usize::from(field.name_len),
            Written::Both => usize::from(field.name_len) + field.value_len as usize,
        };
        let used: usize = self.fields.iter().map(of_field).sum();
        if self.written.len() > 2 * used {
            let mut written = Vec::with_capacity(2 * used);
            for field in &mut self.fields {
                let mut keep = |at: u32, len: u32| {
                    let kept_at = written.len() as u32;
                    written.extend_from_slice(part(&self.written, at, len));
                    kept_at
                };
                if field.written != Written::Nothing && field.known.is_other() {
                    field.name_at = keep(field.name_at, field.name_len.into());
                }
                if field.written == Written::Both {
                    field.value_at = keep(field.value_at, field.value_len);
                }
            }
            self.written = written;
        }
        self.tidied_at = UNUSED_BYTES_MAX + 2 * self.written.len();
    }

    /// The same, where what was written is what others may share. Nothing was received.
    fn sealed(mut self: Box<Self>) -> Headers {
        self.received = std::mem::take(&mut self.written).into();
        self.fields
            .iter_mut()
            .for_each(|field| field.written = Written::Nothing);
        Headers(Some(self))
    }
}

/// Where a part of bytes begins in them.
fn place(bytes: &[u8], part: &[u8]) -> Option<u32> {
    let at = part.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
    let same = bytes.get(at..at.checked_add(part.len())?)?;
    u32::try_from(at).ok().filter(|_| std::ptr::eq(same, part))
}

fn part(bytes: &[u8], at: u32, len: u32) -> &[u8] {
    let at = at as usize;
    bytes.get(at..at + len as usize).unwrap_or_default()
}

fn is_same(name: FieldName<'_>, other: FieldName<'_>) -> bool {
    name.text.eq_ignore_ascii_case(other.text)
}

impl Clone for Headers {
    fn clone(&self) -> Headers {
        let Some(list) = &self.0 else {
            return Headers(None);
        };
        let mut copy = List::new(list.received.clone(), list.fields.len(), list.written.len());
        copy.written.extend_from_slice(&list.written);
        copy.fields.extend_from_slice(&list.fields);
        copy.tidied_at = list.tidied_at;
        Headers(Some(copy))
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Headers) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl<N: IsName, V: IsValue> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Headers {
        let mut headers = Headers::new();
        headers.extend(fields);
        headers
    }
}

impl<N: IsName, V: IsValue> Extend<(N, V)> for Headers {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.append(name, value);
        }
    }
}

/// What the codec of HTTP/2 gives; fields of one name are neighbours there.
impl From<&HeaderMap> for Headers {
    fn from(map: &HeaderMap) -> Headers {
        let bytes = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
        let mut list = List::new(Bytes::new(), map.len() + 2, map.iter().map(bytes).sum());
        for (name, value) in map {
            list.write(name.as_name(), |to| value.write(to));
        }
        list.sealed()
    }
}

/// What the codec of HTTP/2 takes.
impl From<&Headers> for HeaderMap {
    fn from(headers: &Headers) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(headers.len());
        for (name, value) in headers.iter() {
            let shared = match value.part_of {
                Some(bytes) => HeaderValue::from_maybe_shared(bytes.slice_ref(value.bytes)),
                None => HeaderValue::from_bytes(value.bytes),
            };
            // Both were fit for a message.
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.text), shared) {
                map.append(name, value);
            }
        }
        map
    }
}
