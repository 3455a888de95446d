use super::{Operation, expand};

fn of(operation: Operation, source: &str) -> String {
    let spaced = expand(operation, source.parse().expect("tokens")).to_string();
    spaced.replace(' ', "")
}

#[test]
fn functions_methods_and_instances_are_told_apart() {
    for (source, expected) in [
        ("f, a, &b", "<f>::__cachekit_key(a,&b).delete()"),
        ("m::f", "<m::f>::__cachekit_handle().delete()"),
        ("crate::m::f,", "<crate::m::f>::__cachekit_handle().delete()"),
        ("f::<u32, u8>, 5", "<f>::__cachekit_key::<u32,u8>(5).delete()"),
        ("Type::m, &x, 7", "Type::__memoized_m_key(&x,7).delete()"),
        ("Type::m", "Type::__memoized_m_handle().delete()"),
        ("Self::m", "Self::__memoized_m_handle().delete()"),
        ("m::Type::<A, B>::m::<C, D>, 7", "m::Type::<A,B>::__memoized_m_key::<C,D>(7).delete()"),
        ("<Vec<(A, B)>>::m, 7", "<Vec<(A,B)>>::__memoized_m_key(7).delete()"),
        ("stack::<u8>::m", "stack::<u8>::__memoized_m_handle().delete()"),
        ("x.y.m, 7", "x.y.__memoized_m_key(7).delete()"),
        ("x.y(1, 2).m", "x.y(1,2).__memoized_m_instance().delete()"),
        ("x.m::<A, B>, 7", "x.__memoized_m_key::<A,B>(7).delete()"),
        ("r#type, 1", "<r#type>::__cachekit_key(1).delete()"),
        ("T::r#type", "T::__memoized_type_handle().delete()"),
        ("f::<fn(u8) -> u8>, g", "<f>::__cachekit_key::<fn(u8)->u8>(g).delete()"),
    ] {
        assert_eq!(of(Operation::Delete, source), expected, "{source}");
    }
}

#[test]
fn every_operation_goes_through_a_sibling() {
    for (operation, source, expected) in [
        (Operation::Peek, "f", "<f>::__cachekit_key().peek()"),
        (Operation::Stats, "T::m", "T::__memoized_m_handle().stats()"),
        (Operation::Delete, "f::<u8>", "<f>::__cachekit_instantiation::<u8>().delete()"),
        (Operation::DeleteVersion, "T::m::<u8>", "T::__memoized_m_instantiation::<u8>().delete()"),
        (
            Operation::Peek,
            "<T as m::Tr<u8>>::m, &x",
            "({#[allow(unused_imports)]usem::Tras_;<T>::__memoized_m_key})(&x).peek()",
        ),
        (Operation::DeleteVersion, "x.m", "x.__memoized_m_instance().delete()"),
        (Operation::Refresh, "f, 1", "<f<1>>::__cachekit_run(1)"),
        (Operation::Uncached, "f", "<f<2>>::__cachekit_run()"),
        (Operation::Explain, "f, 1", "<f<4>>::__cachekit_key(1).explain()"),
        (Operation::Traced, "x.m, 1", "x.__memoized_m_traced(1)"),
        (Operation::Prime, "f => 5", "<f>::__cachekit_prime(5)"),
        (Operation::Prime, "f, 1, &b, => 5,", "<f>::__cachekit_prime(1,&b,5)"),
        (
            Operation::Prime,
            "T::m, &x, 1 => if a { 2 } else { 3 }",
            "T::__memoized_m_prime(&x,1,ifa{2}else{3})",
        ),
        (Operation::Prime, "f::<fn(u8) -> u8>, |a| a => 1", "<f>::__cachekit_prime::<fn(u8)->u8>(|a|a,1)"),
        (Operation::Refresh, "x.m, 1,", "x.__memoized_m_refresh(1,)"),
    ] {
        assert_eq!(of(operation, source), expected, "{source}");
    }
}

#[test]
fn mistakes_say_what_to_write() {
    for (operation, source, message) in [
        (Operation::Delete, "", "write`delete_memoized!(function,arguments..)`"),
        (Operation::Delete, "f(1, &x)", "write`delete_memoized!(f,1,&x)`"),
        (Operation::Delete, "x.m(1)", "write`delete_memoized!(x.m,1)`"),
        (Operation::Peek, "f()", "write`peek!(f)`"),
        (Operation::Stats, "f::<u32>", "allinstantiationstogether:write`stats!(f)`"),
        (Operation::Delete, "x.m::<u32>", "allinstantiationstogether:write`delete_memoized!(x.m)`"),
        (Operation::DeleteVersion, "f, 1", "write`delete_memoized!(function,arguments..)`"),
        (Operation::Stats, "f, 1", "byfunction"),
        (Operation::Prime, "f, 1", "write`prime!(f,arguments..=>value)`"),
        (Operation::Prime, "f, 1 =>", "write`prime!(f,arguments..=>value)`"),
        (Operation::Prime, "f, 1 => 2, 3", "onevalueisstored"),
        (Operation::Delete, "f; 1", "`delete_memoized!"),
        (Operation::Delete, "1 + 2", "expectedafunction"),
        (Operation::Delete, "&f", "without`&`"),
        (Operation::Delete, "x.0", "amethodhasaname"),
    ] {
        let text = of(operation, source);
        assert!(text.contains("compile_error"), "{source}: {text}");
        assert!(text.contains(message) || source.contains(';'), "{source}: {text}");
    }
}
