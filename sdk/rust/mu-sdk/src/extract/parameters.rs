//! Types from named texts, by serde.

use std::{collections::BTreeMap, error, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, IntoDeserializer, Visitor,
        value::{BorrowedStrDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

/// Reads a `T` from parameters: a structure or map by name, a tuple by position, any other from the only one there is.
pub(crate) fn read<'a, T: Deserialize<'a>>(parameters: &'a BTreeMap<String, String>) -> Result<T, ParameterError> {
    T::deserialize(Parameters(parameters))
}

/// Why parameters can't be read.
#[derive(Debug)]
pub(crate) struct ParameterError(String);

/// All parameters.
#[derive(Clone, Copy)]
struct Parameters<'de>(&'de BTreeMap<String, String>);

/// One of them.
#[derive(Clone, Copy)]
struct Parameter<'de> {
    name: &'de str,
    value: &'de str,
}

// === impl Parameters ===

impl<'de> Parameters<'de> {
    fn iter(self) -> impl Iterator<Item = Parameter<'de>> {
        self.0.iter().map(|(name, value)| Parameter { name, value })
    }

    fn single(self) -> Result<Parameter<'de>, ParameterError> {
        let mut parameters = self.iter();
        match (parameters.next(), parameters.next()) {
            (Some(parameter), None) => Ok(parameter),
            _ => Err(ParameterError(format!("there are {} parameters where one is expected", self.0.len()))),
        }
    }
}

macro_rules! from_the_single_one {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
            self.single()?.$method(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for Parameters<'de> {
    type Error = ParameterError;

    from_the_single_one! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        visitor.visit_map(MapDeserializer::new(
            self.iter().map(|parameter| (BorrowedStrDeserializer::new(parameter.name), parameter)),
        ))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        visitor.visit_seq(SeqDeserializer::new(self.iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ParameterError> {
        if self.0.len() != length {
            return Err(ParameterError(format!(
                "there are {} parameters where a tuple of {length} is expected",
                self.0.len()
            )));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ParameterError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParameterError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParameterError> {
        self.single()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { unit_struct map struct ignored_any }
}

// === impl Parameter ===

impl<'de> Parameter<'de> {
    fn parse<T: FromStr>(self, expected: &str) -> Result<T, ParameterError> {
        self.value.parse().map_err(|_| ParameterError(format!("`{}` is `{}`, not {expected}", self.name, self.value)))
    }

    fn named<T>(self, result: Result<T, ParameterError>) -> Result<T, ParameterError> {
        result.map_err(|ParameterError(problem)| ParameterError(format!("`{}`: {problem}", self.name)))
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $expected:literal)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
            self.named(visitor.$visit(self.parse($expected)?))
        }
    )+};
}

impl<'de> Deserializer<'de> for Parameter<'de> {
    type Error = ParameterError;

    parsed! {
        deserialize_bool visit_bool "`true` or `false`"
        deserialize_i8 visit_i8 "a whole number of 8 bits"
        deserialize_i16 visit_i16 "a whole number of 16 bits"
        deserialize_i32 visit_i32 "a whole number of 32 bits"
        deserialize_i64 visit_i64 "a whole number of 64 bits"
        deserialize_i128 visit_i128 "a whole number of 128 bits"
        deserialize_u8 visit_u8 "a whole number from 0 of 8 bits"
        deserialize_u16 visit_u16 "a whole number from 0 of 16 bits"
        deserialize_u32 visit_u32 "a whole number from 0 of 32 bits"
        deserialize_u64 visit_u64 "a whole number from 0 of 64 bits"
        deserialize_u128 visit_u128 "a whole number from 0 of 128 bits"
        deserialize_f32 visit_f32 "a number"
        deserialize_f64 visit_f64 "a number"
        deserialize_char visit_char "a single character"
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        self.named(visitor.visit_borrowed_str(self.value))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        self.named(visitor.visit_borrowed_bytes(self.value.as_bytes()))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParameterError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParameterError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParameterError> {
        self.named(visitor.visit_enum(BorrowedStrDeserializer::new(self.value)))
    }

    forward_to_deserialize_any! { str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any }
}

impl<'de> IntoDeserializer<'de, ParameterError> for Parameter<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

// === impl ParameterError ===

impl fmt::Display for ParameterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl error::Error for ParameterError {}

impl de::Error for ParameterError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Search {
        words: String,
        limit: Option<u32>,
        #[serde(default)]
        order: Order,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        #[default]
        Newest,
        Oldest,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Id(u64);

    fn check<'a, T: Deserialize<'a> + PartialEq + fmt::Debug>(
        parameters: &'a BTreeMap<String, String>,
        expected: Result<T, &str>,
    ) {
        let read = read::<T>(parameters).map_err(|error| error.to_string());
        assert_eq!(read, expected.map_err(str::to_owned), "{parameters:?}");
    }

    fn parameters(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn structures_are_read_by_name() {
        let search = |limit, order| Ok(Search { words: "a b".to_owned(), limit, order });
        check(&parameters(&[("words", "a b")]), search(None, Order::Newest));
        check(&parameters(&[("words", "a b"), ("limit", "7"), ("order", "oldest")]), search(Some(7), Order::Oldest));
        check(&parameters(&[("words", "a b"), ("unknown", "7")]), search(None, Order::Newest));
        check::<Search>(&parameters(&[]), Err("missing field `words`"));
        check::<Search>(
            &parameters(&[("words", ""), ("limit", "-1")]),
            Err("`limit` is `-1`, not a whole number from 0 of 32 bits"),
        );
        check::<Search>(
            &parameters(&[("words", ""), ("order", "best")]),
            Err("`order`: unknown variant `best`, expected `newest` or `oldest`"),
        );
    }

    #[test]
    fn a_single_parameter_is_read_as_any_type() {
        let number = parameters(&[("id", "42")]);
        check(&number, Ok(42_u8));
        check(&number, Ok(42.0_f64));
        check(&number, Ok(Id(42)));
        check(&number, Ok("42"));
        check(&number, Ok("42".to_owned()));
        check(&number, Ok(Some(42_i64)));
        check(&number, Ok((42_i64,)));
        check::<bool>(&number, Err("`id` is `42`, not `true` or `false`"));
        check::<char>(&number, Err("`id` is `42`, not a single character"));
        check(&parameters(&[("order", "oldest")]), Ok(Order::Oldest));
        check::<String>(&parameters(&[]), Err("there are 0 parameters where one is expected"));
        check::<String>(&parameters(&[("a", ""), ("b", "")]), Err("there are 2 parameters where one is expected"));
        check(&parameters(&[]), Ok(None::<String>));
        check(&parameters(&[]), Ok(()));
    }

    #[test]
    fn tuples_are_read_in_the_order_of_names_and_maps_whole() {
        let both = parameters(&[("b", "1"), ("a", "x")]);
        check(&both, Ok(("x".to_owned(), 1_u32)));
        check::<(String,)>(&both, Err("there are 2 parameters where a tuple of 1 is expected"));
        check(&both, Ok(HashMap::from([("a", "x"), ("b", "1")])));
        check(&both, Ok(vec!["x", "1"]));
    }
}
