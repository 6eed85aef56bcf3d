//! The canonical form of JSON that TUF signs, as its reference implementation writes it: keys sorted, no
//! white space, and no character escaped but the quotation mark and the backslash.

use serde_json::Value;

/// The canonical bytes. Numbers must be integers; ours are.
pub(super) fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut names: Vec<_> = members.keys().collect();
            names.sort_unstable();
            out.push(b'{');
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                if let Some(member) = members.get(name) {
                    write(member, out);
                }
            }
            out.push(b'}');
        }
        plain => out.extend_from_slice(plain.to_string().as_bytes()),
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_and_line_breaks_stay_as_they_are() {
        let value = json!({"b": [1, true, null], "a\"": "x\\\ny", "B": {}});
        assert_eq!(canonical(&value), b"{\"B\":{},\"a\\\"\":\"x\\\\\ny\",\"b\":[1,true,null]}");
    }
}
