//! Turns `--set key=value` pairs into a kernel's typed options, through serde: the type asks for
//! its fields, so unknown keys are known before anything is computed.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use thiserror::Error;

/// Why a job's options do not fit its kernel.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("kernel option: {0}")]
pub struct OptionsError(String);

impl de::Error for OptionsError {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// The typed options that `pairs` give.
pub(super) fn from_pairs<T: DeserializeOwned>(
    pairs: &BTreeMap<String, String>,
) -> Result<T, OptionsError> {
    T::deserialize(Pairs(pairs))
}

struct Pairs<'a>(&'a BTreeMap<String, String>);

impl Pairs<'_> {
    fn check_keys(&self, fields: &[&str]) -> Result<(), OptionsError> {
        match self.0.keys().find(|key| !fields.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) if fields.is_empty() => {
                Err(OptionsError(format!("`{key}` is unknown, the kernel has no options")))
            }
            Some(key) => {
                let known = fields.join("`, `");
                Err(OptionsError(format!("`{key}` is unknown, the kernel has `{known}`")))
            }
        }
    }
}

impl<'de> Deserializer<'de> for Pairs<'_> {
    type Error = OptionsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionsError> {
        visitor.visit_map(Entries { rest: self.0.iter(), value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OptionsError> {
        self.check_keys(fields)?;
        self.deserialize_any(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionsError> {
        self.check_keys(&[])?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Entries<'a> {
    rest: std::collections::btree_map::Iter<'a, String, String>,
    value: Option<(&'a str, &'a str)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = OptionsError;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, OptionsError> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((key, value));
        let key: StrDeserializer<'_, OptionsError> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, OptionsError> {
        let (key, text) = self.value.take().unwrap_or_default();
        seed.deserialize(Text { text })
            .map_err(|OptionsError(why)| OptionsError(format!("`{key}`: {why}")))
    }
}

/// A text that becomes what its reader asks for.
struct Text<'a> {
    text: &'a str,
}

impl Text<'_> {
    fn parse<T: std::str::FromStr<Err: fmt::Display>>(
        &self,
        what: &str,
    ) -> Result<T, OptionsError> {
        let text = self.text;
        text.trim().parse().map_err(|why| OptionsError(format!("`{text}` is not {what} ({why})")))
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $what:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionsError> {
            visitor.$visit(self.parse($what)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = OptionsError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionsError> {
        visitor.visit_str(self.text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionsError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, OptionsError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, OptionsError> {
        let variant: StrDeserializer<'_, OptionsError> = self.text.into_deserializer();
        visitor.visit_enum(variant)
    }

    parsed! {
        deserialize_bool visit_bool "true or false"
        deserialize_i8 visit_i8 "a whole number"
        deserialize_i16 visit_i16 "a whole number"
        deserialize_i32 visit_i32 "a whole number"
        deserialize_i64 visit_i64 "a whole number"
        deserialize_u8 visit_u8 "a whole number from 0"
        deserialize_u16 visit_u16 "a whole number from 0"
        deserialize_u32 visit_u32 "a whole number from 0"
        deserialize_u64 visit_u64 "a whole number from 0"
        deserialize_f32 visit_f32 "a number"
        deserialize_f64 visit_f64 "a number"
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Options {
        step_size: f64,
        rounds: u32,
        label: String,
        fast: Option<bool>,
        mode: Mode,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        #[default]
        Plain,
        TwoSided,
    }

    fn parse(pairs: &[(&str, &str)]) -> Result<Options, String> {
        let pairs = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        from_pairs(&pairs).map_err(|error| error.to_string())
    }

    #[test]
    fn texts_become_what_the_fields_are() {
        let pairs = [
            ("step-size", "1e-3"),
            ("rounds", " 7"),
            ("label", "7"),
            ("fast", "true"),
            ("mode", "two-sided"),
        ];
        let expected = Options {
            step_size: 1e-3,
            rounds: 7,
            label: "7".into(),
            fast: Some(true),
            mode: Mode::TwoSided,
        };
        assert_eq!(parse(&pairs).unwrap(), expected);
        assert_eq!(parse(&[]).unwrap(), Options::default());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let unknown = parse(&[("rouns", "7")]).unwrap_err();
        assert!(unknown.contains("`rouns` is unknown, the kernel has `step-size`"), "{unknown}");
        let wrong = parse(&[("rounds", "-7")]).unwrap_err();
        assert!(wrong.contains("`rounds`: `-7` is not a whole number from 0"), "{wrong}");
        assert!(parse(&[("mode", "other")]).unwrap_err().contains("`mode`"));
        let pairs = BTreeMap::from([("x".to_owned(), "1".to_owned())]);
        assert!(from_pairs::<()>(&pairs).unwrap_err().to_string().contains("has no options"));
    }
}
