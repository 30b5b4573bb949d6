# SPDX-License-Identifier: Apache-2.0
# A Rack application for Puma. Each of its threads has a connection to the backend; calls at once are
# made by threads of their own. With HIJACK, the thread that has begun a request leaves it to another one,
# which makes the last call and answers.
require "net/http"

BACKEND = Integer(ENV.fetch("BACKEND"))

def connect
  http = Net::HTTP.new("127.0.0.1", BACKEND)
  http.max_retries = 0
  http.start
end

def call_backend(path)
  http = Thread.current[:backend] ||= connect
  response = http.get(path)
  Thread.current[:backend] = nil if response["connection"] == "close"
  response.code.to_i
end

def call_alone(path)
  Net::HTTP.get_response(URI("http://127.0.0.1:#{BACKEND}#{path}")).code.to_i
end

Thread.new do
  (0..).each do |k|
    call_backend("/background/#{k}")
    sleep 0.01
  end
end

# Puma's thread goes on to another request meanwhile.
def answer_apart(client, statuses, path)
  Thread.new do
    statuses << call_alone(path)
    reason = statuses.max < 500 ? "200 OK" : "502 Bad Gateway"
    client.write("HTTP/1.1 #{reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    client.close
  end
end

run(lambda do |env|
  _, _, ident, count, how, wait, after = env["PATH_INFO"].split("/")
  sleep(wait.to_i / 1000.0) if wait != "0"
  paths = (0...count.to_i).map { |k| "/leaf/#{ident}/#{k}" }
  last = paths.pop if ENV["HIJACK"]
  statuses = if how == "once"
               paths.map { |path| Thread.new { call_alone(path) } }.map(&:value)
             else
               paths.map { |path| call_backend(path) }
             end
  if last
    answer_apart(env["rack.hijack"].call, statuses, last)
    next [200, {}, []]
  end
  env["rack.after_reply"] << -> { call_backend("/after/#{ident}") } if after == "1"
  [statuses.max < 500 ? 200 : 502, { "Content-Length" => "0" }, []]
end)
