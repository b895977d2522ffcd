/* SPDX-License-Identifier: MIT */
// Exceptions of several types, thrown through several frames, with destructors on the way.
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static thread_local unsigned destroyed;

struct counted {
	~counted() { destroyed++; }
};

__attribute__((noinline)) static void deep(int depth, int kind)
{
	counted here;

	if (depth > 0) {
		deep(depth - 1, kind);
		return;
	}
	switch (kind % 5) {
	case 0:
		throw kind;
	case 1:
		throw std::runtime_error("error " + std::to_string(kind));
	case 2:
		throw std::string("text");
	case 3:
		(void)std::vector<int>().at(static_cast<size_t>(kind));
		break;
	default:
		break;
	}
}

__attribute__((noinline)) static void rethrow(int depth, int kind)
{
	try {
		deep(depth, kind);
	} catch (const std::logic_error &error) {
		counted here;
		throw std::runtime_error(error.what());
	} catch (int) {
		throw;
	}
}

static unsigned long run(int rounds)
{
	unsigned long sum = 0;

	for (int i = 0; i < rounds; i++) {
		auto owner = std::make_unique<counted>();

		try {
			rethrow(i % 11, i);
			sum += 1;
		} catch (int value) {
			sum += static_cast<unsigned long>(value);
		} catch (const std::exception &error) {
			sum += std::string(error.what()).size();
		} catch (const std::string &text) {
			sum += text.size() * 7;
		}
	}
	return sum * 1000003 + destroyed;
}

int main()
{
	unsigned long sums[4];
	std::vector<std::thread> threads;

	for (unsigned long &sum : sums)
		threads.emplace_back([&sum] { sum = run(500); });
	for (auto &thread : threads)
		thread.join();
	for (unsigned long sum : sums)
		std::printf("%lu\n", sum);
	return 0;
}
