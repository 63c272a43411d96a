import CPeers
import Foundation

/// What a user would pick instead: a file of `CPeers` each.
struct Peer: @unchecked Sendable {
  // The functions behind it are constants, and each store's own to synchronize.
  let functions: peer

  static let all: [Peer] = {
    var peers: [Peer] = []
    guard var next = peer_list() else { return [] }
    while let peer = next.pointee {
      peers.append(Peer(functions: peer.pointee))
      next += 1
    }
    return peers
  }()

  var name: String { String(cString: functions.name) }
  var isServer: Bool { functions.is_server != 0 }
  var hasPartitions: Bool { functions.open_partitions != nil }

  func has(_ durability: Durability) -> Bool { settings(durability) != nil }

  func settings(_ durability: Durability) -> String? {
    let text = durability == .unsynced ? functions.settings.0 : functions.settings.1
    return text.map { String(cString: $0) }
  }

  /// A table for the README.
  static var settings: String {
    var text = "| | beside acks=1 | beside acks=all |\n|---|---|---|\n"
    for peer in all {
      text +=
        "| \(peer.name) | \((peer.settings(.unsynced) ?? "-").replacing("|", with: "\\|")) | "
        + "\((peer.settings(.synced) ?? "not offered").replacing("|", with: "\\|")) |\n"
    }
    return text
  }

  func open(_ directory: String, _ durability: Durability) throws -> PeerStore {
    try PeerStore(self, functions.open(directory, durability.rawValue))
  }

  /// Opens what is there.
  func reopen(_ directory: String) throws -> PeerStore {
    guard let reopen = functions.reopen else { return try open(directory, .unsynced) }
    return try PeerStore(self, reopen(directory))
  }
}

enum Durability: Int32 {
  case unsynced = 0
  case synced = 1
}

struct PeerError: Error, CustomStringConvertible {
  var description: String
}

final class PeerStore {
  let peer: Peer
  let store: UnsafeMutableRawPointer

  fileprivate init(_ peer: Peer, _ store: UnsafeMutableRawPointer?) throws {
    guard let store else { throw PeerError(description: "\(peer.name) can't be opened") }
    self.peer = peer
    self.store = store
  }

  deinit { peer.functions.close(store) }

  func connect() throws -> PeerSession { try PeerSession(self) }
}

/// A thread's access to a store.
final class PeerSession {
  private let store: PeerStore
  private var functions: peer
  private let session: UnsafeMutableRawPointer

  fileprivate init(_ store: PeerStore) throws {
    functions = store.peer.functions
    guard let session = functions.connect(store.store) else {
      throw PeerError(description: "\(store.peer.name) takes no session")
    }
    self.store = store
    self.session = session
  }

  deinit { functions.disconnect(session) }

  func append(_ record: inout peer_record, count: Int) throws {
    guard functions.append(session, &record, count) == 0 else { throw failed("append") }
  }

  /// Reads everything, and returns how many records there were and the sum of their values.
  func replay() throws -> (count: Int, sum: UInt64) {
    var sum: UInt64 = 0
    let count = peer_replay(&functions, session, peer_sum, &sum)
    guard count >= 0 else { throw failed("replay") }
    return (count, sum)
  }

  /// Reads the next records, up to `max`. Servers wait for them.
  @discardableResult
  func receive(_ max: Int) throws -> Int {
    var sum: UInt64 = 0
    let count = peer_receive(&functions, session, max, 0, peer_sum, &sum)
    guard count >= 0 else { throw failed("receive") }
    return count
  }

  /// Reads so many records behind the first `from`.
  func read(from: UInt64, _ count: Int) throws {
    var sum: UInt64 = 0
    guard let read = functions.read, read(session, from, count, peer_sum, &sum) == count else { throw failed("read") }
  }

  func commit() throws {
    guard functions.commit(session) == 0 else { throw failed("commit") }
  }

  private func failed(_ call: String) -> PeerError { PeerError(description: "\(store.peer.name): \(call) failed") }
}

/// The record that everybody writes: a key of 16 bytes and a value.
final class Payload {
  let key = [UInt8]("customer-0000042".utf8)
  let value: [UInt8]
  private let memory: UnsafeMutableRawPointer

  init(_ size: Int) {
    value = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    memory = .allocate(byteCount: key.count + size, alignment: 16)
    memory.copyMemory(from: key, byteCount: key.count)
    (memory + key.count).copyMemory(from: value, byteCount: size)
  }

  deinit { memory.deallocate() }

  /// For as long as the payload lives.
  var record: peer_record {
    peer_record(key: memory, key_size: key.count, value: memory + key.count, value_size: value.count)
  }
}
