// What a service's user names beside it: brokers, records, `Service`.
@_exported public import EventLog

#if !Services
  #error("EventLogServices needs the package trait Services, which is on by default; add it to the traits of eventlog")
#endif
