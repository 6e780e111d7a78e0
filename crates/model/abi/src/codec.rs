//! The Borsh rules, as far as the messages use them.
//!
//! Integers are little-endian; text, bytes and lists are a `u32` count and their items; a boolean, an option and a
//! variant are one byte; a map is a `u32` count and its pairs, written sorted by key.

use std::collections::BTreeMap;

use crate::decode::{DecodeError, Decoded};

/// A value that can be written into a message.
pub(crate) trait Encode {
    fn encode(&self, out: &mut Vec<u8>);
}

/// A value that can be read from a message.
pub(crate) trait Decode: Sized {
    /// The fewest bytes any value of the type takes. Never zero for what is put in lists: it bounds how many items a
    /// buffer can hold, hence how much is allocated before they are seen.
    const BYTES_MIN: usize;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop>;
}

/// Reads values one after another from the bytes that have arrived so far.
pub(crate) struct Reader<'a> {
    buffer: &'a [u8],
    position: usize,
    limit_bytes: usize,
}

/// Why reading stopped before the end of the message.
pub(crate) enum Stop {
    Incomplete { at_least_bytes: usize },
    Failed(DecodeError),
}

/// Writes a message: its code, then its fields in order.
pub(crate) fn encode_message(out: &mut Vec<u8>, code: u16, fields: &[&dyn Encode]) {
    out.extend_from_slice(&code.to_le_bytes());
    for field in fields {
        field.encode(out);
    }
}

/// Reads one message from the start of `buffer` with `read`, which gets the message's code.
///
/// `read` answers `None` for a code that it doesn't know.
pub(crate) fn decode_message<M>(
    buffer: &[u8],
    limit_bytes: usize,
    direction: &'static str,
    read: impl FnOnce(u16, &mut Reader<'_>) -> Result<Option<M>, Stop>,
) -> Result<Decoded<M>, DecodeError> {
    let mut reader = Reader { buffer, position: 0, limit_bytes };
    let message = reader
        .read::<u16>()
        .and_then(|code| read(code, &mut reader)?.ok_or(Stop::Failed(DecodeError::UnknownKind { direction, code })));
    match message {
        Ok(message) => Ok(Decoded::Complete { message, consumed_bytes: reader.position }),
        Err(Stop::Incomplete { at_least_bytes }) => Ok(Decoded::Incomplete { at_least_bytes }),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// Writes the count of a list's items or a text's bytes.
fn encode_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).expect("every part of a message is limited to far less than 4 GiB");
    out.extend_from_slice(&count.to_le_bytes());
}

/// Writes text or bytes: the count of bytes, then they.
fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    encode_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// Reads the next value.
    pub(crate) fn read<T: Decode>(&mut self) -> Result<T, Stop> {
        T::decode(self)
    }

    /// Reads the byte that tells the variant of an enumeration.
    pub(crate) fn variant<T: Copy>(&mut self, variants: &[T], problem: &'static str) -> Result<T, Stop> {
        let [tag] = self.array()?;
        variants.get(usize::from(tag)).copied().ok_or_else(|| self.invalid(problem, 1))
    }

    /// The error for a value found wrong after its last `read_bytes` bytes were read.
    pub(crate) fn invalid(&self, problem: &'static str, read_bytes: usize) -> Stop {
        Stop::Failed(DecodeError::Invalid { problem, offset_bytes: self.position.saturating_sub(read_bytes) })
    }

    fn bytes(&mut self) -> Result<&'a [u8], Stop> {
        let length_bytes = self.read::<u32>()? as usize;
        self.take(length_bytes)
    }

    fn take(&mut self, length_bytes: usize) -> Result<&'a [u8], Stop> {
        let end = self.require(length_bytes, 1)?;
        let taken = &self.buffer[self.position..end];
        self.position = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Reads the count of a list whose items take at least `item_bytes_min` each, and checks that they can follow.
    fn count(&mut self, item_bytes_min: usize) -> Result<usize, Stop> {
        let count = self.read::<u32>()? as usize;
        self.require(count, item_bytes_min)?;
        Ok(count)
    }

    /// Checks that `count` items of at least `item_bytes_min` bytes are within the limit and have arrived; answers
    /// where they would end.
    fn require(&self, count: usize, item_bytes_min: usize) -> Result<usize, Stop> {
        // In 64 bits, because a function's own `usize` has 32 and a declared count may be anything.
        let end = self.position as u64 + count as u64 * item_bytes_min as u64;
        match usize::try_from(end) {
            Ok(end) if end <= self.buffer.len() && end <= self.limit_bytes => Ok(end),
            Ok(end) if end <= self.limit_bytes => Err(Stop::Incomplete { at_least_bytes: end }),
            _ => Err(Stop::Failed(DecodeError::TooLarge { at_least_bytes: end, limit_bytes: self.limit_bytes })),
        }
    }
}

// === integers ===

// `u8` is left out: bytes are not a list of integers, and the tag of a variant is read by `Reader::variant`.
macro_rules! integers {
    ($($integer:ty),+) => {$(
        impl Encode for $integer {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }

        impl Decode for $integer {
            const BYTES_MIN: usize = size_of::<Self>();

            fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
                reader.array().map(Self::from_le_bytes)
            }
        }
    )+};
}

integers!(u16, u32, u64);

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Decode for bool {
    const BYTES_MIN: usize = 1;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        reader.variant(&[false, true], "a boolean is neither 0 nor 1")
    }
}

// === text and bytes ===

impl Encode for &str {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_bytes(self.as_bytes(), out);
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_bytes(self.as_bytes(), out);
    }
}

impl Decode for String {
    const BYTES_MIN: usize = 4;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let bytes = reader.bytes()?;
        match str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(reader.invalid("text is not UTF-8", bytes.len())),
        }
    }
}

impl Encode for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_bytes(self, out);
    }
}

impl Decode for Vec<u8> {
    const BYTES_MIN: usize = 4;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        reader.bytes().map(<[u8]>::to_vec)
    }
}

// === compounds ===

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.len(), out);
        for item in self {
            item.encode(out);
        }
    }
}

impl<T: Decode> Decode for Vec<T> {
    const BYTES_MIN: usize = 4;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let count = reader.count(T::BYTES_MIN)?;
        let mut list = Self::with_capacity(count);
        for remaining in (0..count).rev() {
            list.push(reader.read()?);
            reader.require(remaining, T::BYTES_MIN)?;
        }
        Ok(list)
    }
}

impl<V: Encode> Encode for BTreeMap<String, V> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.len(), out);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<V: Decode> Decode for BTreeMap<String, V> {
    const BYTES_MIN: usize = 4;

    /// Reads the pairs in any order; of a repeated key, the last value stays.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let pair_bytes_min = String::BYTES_MIN + V::BYTES_MIN;
        let count = reader.count(pair_bytes_min)?;
        let mut map = Self::new();
        for remaining in (0..count).rev() {
            map.insert(reader.read()?, reader.read()?);
            reader.require(remaining, pair_bytes_min)?;
        }
        Ok(map)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    const BYTES_MIN: usize = 1;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let is_some = reader.variant(&[false, true], "the tag of an optional value is neither 0 nor 1")?;
        if is_some { reader.read().map(Some) } else { Ok(None) }
    }
}

impl<T: Encode, E: Encode> Encode for Result<T, E> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_ok().encode(out);
        match self {
            Ok(value) => value.encode(out),
            Err(error) => error.encode(out),
        }
    }
}

impl<T: Decode, E: Decode> Decode for Result<T, E> {
    const BYTES_MIN: usize = 1;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
        let is_ok = reader.variant(&[false, true], "the tag of a result is neither 0 nor 1")?;
        if is_ok { reader.read().map(Ok) } else { reader.read().map(Err) }
    }
}

macro_rules! tuples {
    ($(($($item:ident),+)),+) => {$(
        impl<$($item: Encode),+> Encode for ($($item,)+) {
            fn encode(&self, out: &mut Vec<u8>) {
                #[expect(non_snake_case, reason = "the type parameters name the items too")]
                let ($($item,)+) = self;
                $($item.encode(out);)+
            }
        }

        impl<$($item: Decode),+> Decode for ($($item,)+) {
            const BYTES_MIN: usize = 0 $(+ $item::BYTES_MIN)+;

            fn decode(reader: &mut Reader<'_>) -> Result<Self, Stop> {
                Ok(($(reader.read::<$item>()?,)+))
            }
        }
    )+};
}

tuples!((A, B), (A, B, C));

/// Writes and reads a structure as its fields in order.
macro_rules! structure {
    ($name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        impl crate::codec::Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                $(crate::codec::Encode::encode(&self.$field, out);)+
            }
        }

        impl crate::codec::Decode for $name {
            const BYTES_MIN: usize = 0 $(+ <$type as crate::codec::Decode>::BYTES_MIN)+;

            fn decode(reader: &mut crate::codec::Reader<'_>) -> Result<Self, crate::codec::Stop> {
                Ok(Self { $($field: reader.read::<$type>()?),+ })
            }
        }
    };
}

pub(crate) use structure;

/// Writes and reads an enumeration without data as the index of its variant.
macro_rules! enumeration {
    ($name:ident, $problem:literal) => {
        impl crate::codec::Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }
        }

        impl crate::codec::Decode for $name {
            const BYTES_MIN: usize = 1;

            fn decode(reader: &mut crate::codec::Reader<'_>) -> Result<Self, crate::codec::Stop> {
                reader.variant(&Self::ALL, $problem)
            }
        }
    };
}

pub(crate) use enumeration;
