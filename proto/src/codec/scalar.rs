//! Scalars, and the step from a shape's members to a value between braces.

use std::fmt;
use std::marker::PhantomData;

use prost::bytes::Bytes;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::limits::{FREE, Limits};
use super::read::{Context, Members};
use super::write::Writer;
use super::{Shape, Value};
use crate::v1::GuardrailAssessmentList;

macro_rules! plain {
    ($($kind:ty: $fault:expr),*) => {$(
        impl Value for $kind {
            fn write(&self, to: &mut Writer) {
                to.scalar(self);
            }

            fn fault(&self, limits: &Limits) -> Option<String> {
                let fault: fn(&Self, &Limits) -> Option<String> = $fault;
                fault(self, limits)
            }

            fn read<'de, D: Deserializer<'de>>(from: D, _: &mut Context) -> Result<Self, D::Error> {
                serde::Deserialize::deserialize(from)
            }
        }
    )*};
}
plain!(
    String: |text, limits| limits.of_text(text),
    bool: |_, _| None,
    i32: |value, limits| limits.of_integer(i64::from(*value)),
    i64: |value, limits| limits.of_integer(*value)
);

impl Value for f64 {
    fn write(&self, to: &mut Writer) {
        if self.is_finite() {
            super::document::write_number(*self, to);
        } else {
            to.refuse("is not a finite number");
        }
    }

    fn fault(&self, limits: &Limits) -> Option<String> {
        limits.of_number(*self).filter(|_| self.is_finite())
    }

    fn read<'de, D: Deserializer<'de>>(from: D, _: &mut Context) -> Result<Self, D::Error> {
        serde::Deserialize::deserialize(from)
    }
}

impl Value for Bytes {
    fn write(&self, to: &mut Writer) {
        to.blob(self);
    }

    fn fault(&self, limits: &Limits) -> Option<String> {
        limits.of_count(self.len(), "bytes")
    }

    fn read<'de, D: Deserializer<'de>>(from: D, _: &mut Context) -> Result<Self, D::Error> {
        struct Base64;
        impl Visitor<'_> for Base64 {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
                use base64::Engine;
                let bytes = base64::engine::general_purpose::STANDARD.decode(text);
                bytes.map(Bytes::from).map_err(|_| E::custom("not base64"))
            }
        }
        from.deserialize_str(Base64)
    }
}

/// AWS has a plain list where protobuf needs a message around it.
impl Value for GuardrailAssessmentList {
    fn write(&self, to: &mut Writer) {
        to.entries(&self.assessments, &FREE);
    }

    fn read<'de, D: Deserializer<'de>>(from: D, context: &mut Context) -> Result<Self, D::Error> {
        Ok(Self { assessments: super::read::entries(from, context)? })
    }
}

impl<T: Shape> Value for T {
    fn write(&self, to: &mut Writer) {
        to.object(|to| self.write_members(to));
    }

    fn read<'de, D: Deserializer<'de>>(from: D, context: &mut Context) -> Result<Self, D::Error> {
        from.deserialize_map(ShapeVisitor { context, shape: PhantomData })
    }
}

struct ShapeVisitor<'c, T> {
    context: &'c mut Context,
    shape: PhantomData<T>,
}

impl<'de, T: Shape> Visitor<'de> for ShapeVisitor<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut shape = T::default();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            let mut members = Members::new(&mut map, self.context, &name);
            if !shape.read_member(&name, &mut members)? {
                members.skip_unknown()?;
            }
            self.context.leave();
        }
        Ok(shape)
    }
}
