//! The query of a request, with its parameters in one order.

/// Returns a query with its parameters sorted by name. The values of one repeated name keep their order, which handlers can
/// see. Names are compared unescaped, as handlers compare them.
pub(super) fn sorted(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(Vec<u8>, &str)> = pairs.map(|pair| (name(pair), pair)).collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    pairs.into_iter().map(|(_, pair)| pair).collect::<Vec<_>>().join("&")
}

/// Returns the name of a parameter, unescaped as in a form.
fn name(pair: &str) -> Vec<u8> {
    let bytes = pair.split('=').next().unwrap_or_default().as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut name = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => {
                at += 2;
                name.extend(u8::try_from(high * 16 + low));
            }
            (b'+', ..) => name.push(b' '),
            _ => name.push(byte),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::sorted;

    #[test]
    fn only_the_order_of_different_names_is_lost() {
        for (one, other) in [("b=2&a=1", "a=1&b=2"), ("a&&b", "b&a"), ("x+y=1&a=2&x+y=0", "a=2&x+y=1&x+y=0")]
        {
            assert_eq!(sorted(one), sorted(other));
        }
        for (one, other) in [
            ("a=1&a=2", "a=2&a=1"),
            // The same name in two spellings.
            ("a=1&%61=2", "%61=2&a=1"),
            ("x+y=1&x%20y=2", "x%20y=2&x+y=1"),
            ("a", "a="),
            ("a=1&b=2", "a=1%26b=2"),
            ("a%3D=1", "a==1"),
        ] {
            assert_ne!(sorted(one), sorted(other), "{one} {other}");
        }
        assert_eq!(sorted("%=1&%6=2&%zz=3&="), "=&%=1&%6=2&%zz=3");
    }
}
