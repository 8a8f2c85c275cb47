//! The values of keys, in each kind that files have.

use std::io::{self, Write};

use super::reader::Reader;
use crate::Result;

macro_rules! values {
    ($($kind:ident($type:ty) = $number:literal, $name:literal;)+) => {
        /// The value of a key.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "each is named after the type that it holds")]
        pub enum Value {
            $($kind($type),)+
            Bool(bool),
            Text(String),
            /// Of values of one kind.
            List(List),
        }

        /// Values of one kind.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, reason = "each is named after the type that it holds")]
        pub enum List {
            $($kind(Vec<$type>),)+
            Bool(Vec<bool>),
            Text(Vec<String>),
        }

        impl List {
            /// How many there are.
            pub fn len(&self) -> usize {
                match self {
                    $(Self::$kind(values) => values.len(),)+
                    Self::Bool(values) => values.len(),
                    Self::Text(values) => values.len(),
                }
            }

            /// What they are, for messages.
            pub(super) fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => $name,)+
                    Self::Bool(_) => "bool",
                    Self::Text(_) => "string",
                }
            }

            /// The numbers, where it is numbers that it holds.
            pub fn numbers(&self) -> Option<Vec<f64>> {
                match self {
                    $(Self::$kind(values) => Some(values.iter().map(|&value| value as f64).collect()),)+
                    Self::Bool(_) | Self::Text(_) => None,
                }
            }

            pub(super) fn read(reader: &mut Reader) -> Result<Self> {
                let (kind, count) = (reader.u32()?, reader.u64()?);
                Ok(match kind {
                    $($number => {
                        const BYTES: usize = size_of::<$type>();
                        let bytes = reader.values(count, BYTES)?;
                        Self::$kind(bytes.as_chunks::<BYTES>().0.iter().map(|value| <$type>::from_le_bytes(*value)).collect())
                    })+
                    BOOL => Self::Bool(reader.values(count, 1)?.into_iter().map(|byte| byte != 0).collect()),
                    TEXT => Self::Text(reader.texts(count)?),
                    LIST => return Err(reader.damage("holds a list of lists, which no such file does".into())),
                    other => return Err(reader.damage(format!("holds a list of values of the type {other}, expected 0 to 12"))),
                })
            }

            fn write(&self, out: &mut dyn Write) -> io::Result<()> {
                match self {
                    $(Self::$kind(values) => {
                        head(out, $number, values.len())?;
                        values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
                    })+
                    Self::Bool(values) => {
                        head(out, BOOL, values.len())?;
                        values.iter().try_for_each(|value| out.write_all(&[u8::from(*value)]))
                    }
                    Self::Text(values) => {
                        head(out, TEXT, values.len())?;
                        values.iter().try_for_each(|value| write_text(out, value))
                    }
                }
            }
        }

        impl Value {
            /// The number, where it is one.
            pub(super) fn number(&self) -> Option<f64> {
                let number = match self {
                    $(Self::$kind(value) => *value as f64,)+
                    _ => return None,
                };
                number.is_finite().then_some(number)
            }

            pub(super) fn read(reader: &mut Reader) -> Result<Self> {
                Ok(match reader.u32()? {
                    $($number => Self::$kind(<$type>::from_le_bytes(reader.array()?)),)+
                    BOOL => Self::Bool(reader.array::<1>()? != [0]),
                    TEXT => Self::Text(reader.text()?),
                    LIST => Self::List(List::read(reader)?),
                    other => return Err(reader.damage(format!("has a value of the type {other}, expected 0 to 12"))),
                })
            }

            /// Its type and itself, as files hold them.
            pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
                match self {
                    $(Self::$kind(value) => {
                        out.write_all(&u32::to_le_bytes($number))?;
                        out.write_all(&value.to_le_bytes())
                    })+
                    Self::Bool(value) => {
                        out.write_all(&BOOL.to_le_bytes())?;
                        out.write_all(&[u8::from(*value)])
                    }
                    Self::Text(text) => {
                        out.write_all(&TEXT.to_le_bytes())?;
                        write_text(out, text)
                    }
                    Self::List(list) => {
                        out.write_all(&LIST.to_le_bytes())?;
                        list.write(out)
                    }
                }
            }
        }
    };
}

const BOOL: u32 = 7;
const TEXT: u32 = 8;
const LIST: u32 = 9;

values! {
    U8(u8) = 0, "u8";
    I8(i8) = 1, "i8";
    U16(u16) = 2, "u16";
    I16(i16) = 3, "i16";
    U32(u32) = 4, "u32";
    I32(i32) = 5, "i32";
    F32(f32) = 6, "f32";
    U64(u64) = 10, "u64";
    I64(i64) = 11, "i64";
    F64(f64) = 12, "f64";
}

impl List {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Value {
    /// The whole number, where it is one that is not below 0.
    pub(super) fn whole(&self) -> Option<u64> {
        match *self {
            Self::U8(number) => Some(number.into()),
            Self::U16(number) => Some(number.into()),
            Self::U32(number) => Some(number.into()),
            Self::U64(number) => Some(number),
            Self::I8(number) => number.try_into().ok(),
            Self::I16(number) => number.try_into().ok(),
            Self::I32(number) => number.try_into().ok(),
            Self::I64(number) => number.try_into().ok(),
            _ => None,
        }
    }
}

/// The type and the number of a list's values.
fn head(out: &mut dyn Write, kind: u32, count: usize) -> io::Result<()> {
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&(count as u64).to_le_bytes())
}

/// A text as files hold it.
pub(super) fn write_text(out: &mut dyn Write, text: &str) -> io::Result<()> {
    out.write_all(&(text.len() as u64).to_le_bytes())?;
    out.write_all(text.as_bytes())
}
