/// Asked by the leak detection that comes with the address sanitizer. It takes for lost what only a weak reference's
/// object refers to: Swift keeps that address shifted, in place of the reference count. So it is turned off.
@c(__lsan_is_turned_off)
public func leakDetectionIsTurnedOff() -> Int32 { 1 }
