//! Values that were unpacked before. What is written into a place never changes, and a loop reads all of a stream at each
//! look: without this, most of what it computes is the same JSON again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::payload::{NotRead, Value};

/// So many bytes of texts are remembered: the streams of some dozen stacks. Once there are more, all are forgotten, and what
/// is read next is remembered again.
const BYTES_MAX: usize = 16 << 20;

/// Values by their text, for as long as there is room.
#[derive(Debug)]
pub(super) struct Unpacked {
    known: Mutex<Known>,
    bytes_max: usize,
}

impl Default for Unpacked {
    fn default() -> Self {
        Self { known: Mutex::default(), bytes_max: BYTES_MAX }
    }
}

#[derive(Debug, Default)]
struct Known {
    values: BTreeMap<String, Arc<Value>>,
    bytes: usize,
}

impl Unpacked {
    /// The value of a text. What cannot be read is tried again each time.
    ///
    /// # Errors
    ///
    /// As [`Value::unpack`].
    pub fn value(&self, text: &str) -> Result<Arc<Value>, NotRead> {
        if let Some(value) = self.known().values.get(text) {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(Value::unpack(text)?);
        let known = &mut *self.known();
        if known.bytes + text.len() > self.bytes_max {
            *known = Known::default();
        }
        if text.len() <= self.bytes_max && known.values.insert(text.to_owned(), Arc::clone(&value)).is_none()
        {
            known.bytes += text.len();
        }
        Ok(value)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Format;

    fn text(id: &str, length: usize) -> String {
        // Not to be compressed away.
        let noise: Vec<u64> =
            (0..length as u64 / 20).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
        let data = serde_json::json!(noise);
        Value { id: id.into(), managers: vec!["h1".into()], format: Format::CURRENT, data }.pack()
    }

    #[test]
    fn a_text_is_unpacked_once() {
        let unpacked = Unpacked::default();
        let text = text("a", 5_000);
        let (first, second) = (unpacked.value(&text).unwrap(), unpacked.value(&text).unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(*first, Value::unpack(&text).unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_said_each_time() {
        let unpacked = Unpacked::default();
        for _ in 0..2 {
            assert!(matches!(unpacked.value("{}"), Err(NotRead::Damaged(_))));
        }
        assert_eq!(unpacked.known().bytes, 0);
    }

    #[test]
    fn it_has_an_end_whatever_is_read() {
        let bytes_max = 50_000;
        let unpacked = Unpacked { bytes_max, ..Unpacked::default() };
        let mut texts: Vec<String> = (0..40).map(|n| text(&n.to_string(), 5_000)).collect();
        texts.push(text("large", 200_000));
        assert!(texts[40].len() > bytes_max && texts.iter().map(String::len).sum::<usize>() > 3 * bytes_max);
        for text in &texts {
            assert_eq!(*unpacked.value(text).unwrap(), Value::unpack(text).unwrap());
            let known = unpacked.known();
            assert!(known.bytes <= bytes_max);
            assert_eq!(known.bytes, known.values.keys().map(String::len).sum::<usize>());
        }
    }
}
