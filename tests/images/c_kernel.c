/* A small freestanding kernel as a C compiler makes it for QEMU's virt: console, device tree, computations with known results, SVC. */
#include <stddef.h>
#include <stdint.h>

#define PL011_PA 0x09000000u
#define DEVICE_TREE_MAGIC 0xd00dfeedu

void kernel_main(const uint8_t *device_tree);
void handle_synchronous(uint64_t syndrome, uint64_t *frame);
void *memset(void *to, int value, size_t size_bytes);
void *memcpy(void *to, const void *from, size_t size_bytes);

void *memset(void *to, int value, size_t size_bytes)
{
    volatile uint8_t *bytes = to;
    while (size_bytes--)
        *bytes++ = (uint8_t)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t size_bytes)
{
    volatile uint8_t *bytes = to;
    const uint8_t *source = from;
    while (size_bytes--)
        *bytes++ = *source++;
    return to;
}

static volatile uint32_t *pl011(uint32_t offset) { return (volatile uint32_t *)(uintptr_t)(PL011_PA + offset); }

static void put_char(char c)
{
    while (*pl011(0x18) & 0x20) /* UARTFR.TXFF */
        ;
    *pl011(0) = (uint8_t)c;
}

static void put_text(const char *text)
{
    while (*text)
        put_char(*text++);
}

static void put_hex(uint64_t value, int digits)
{
    while (digits--)
        put_char("0123456789abcdef"[value >> (4 * digits) & 15]);
}

static void put_line(const char *text, uint64_t value, int digits)
{
    put_text(text);
    put_hex(value, digits);
    put_char('\n');
}

/* ---- device tree: Devicetree Specification 0.4, section 5 */

static uint32_t big_endian(const uint8_t *at) { return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]; }

static int begins(const char *text, const char *prefix)
{
    while (*prefix)
        if (*text++ != *prefix++)
            return 0;
    return 1;
}

static int equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static void read_device_tree(const uint8_t *tree)
{
    put_line("device tree magic ", big_endian(tree), 8);
    if (big_endian(tree) != DEVICE_TREE_MAGIC)
        return;
    const uint8_t *at = tree + big_endian(tree + 8);
    const char *strings = (const char *)tree + big_endian(tree + 12);
    int cpus = 0, gic = 0, uart = 0, timer = 0, psci_by_hvc = 0, in_memory = 0, in_uart = 0;
    for (;;) {
        uint32_t token = big_endian(at);
        at += 4;
        if (token == 1) { /* FDT_BEGIN_NODE */
            const char *name = (const char *)at;
            size_t length = 0;
            while (name[length])
                length++;
            cpus += begins(name, "cpu@");
            in_memory = begins(name, "memory");
            in_uart = begins(name, "pl011@");
            at += (length + 4) & ~(size_t)3;
        } else if (token == 3) { /* FDT_PROP */
            uint32_t size_bytes = big_endian(at);
            const char *name = strings + big_endian(at + 4);
            const char *text = (const char *)at + 8;
            if (equal(name, "compatible")) {
                gic |= equal(text, "arm,gic-v3");
                uart |= equal(text, "arm,pl011");
                timer |= begins(text, "arm,armv8-timer") || begins(text, "arm,armv7-timer");
            }
            psci_by_hvc |= equal(name, "method") && equal(text, "hvc");
            if ((in_memory || in_uart) && equal(name, "reg") && size_bytes == 16) {
                put_text(in_memory ? "memory at " : "pl011 at ");
                put_hex((uint64_t)big_endian(at + 8) << 32 | big_endian(at + 12), 16);
                put_line(", bytes ", (uint64_t)big_endian(at + 16) << 32 | big_endian(at + 20), 16);
            }
            at += 8 + ((size_bytes + 3) & ~3u);
        } else if (token == 9) { /* FDT_END */
            break;
        }
    }
    put_line("cpus ", (uint64_t)cpus, 2);
    put_line("gic-v3, pl011, timer, psci by hvc ", (uint64_t)(gic << 12 | uart << 8 | timer << 4 | psci_by_hvc), 4);
}

/* ---- computations whose results are known from elsewhere */

static uint32_t crc32(const uint8_t *bytes, size_t size_bytes)
{
    uint32_t crc = ~0u;
    while (size_bytes--) {
        crc ^= *bytes++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static uint64_t integer_root(uint64_t value, int power)
{
    /* largest root with root ** power <= value << (32 * power), power 2 or 3 */
    unsigned __int128 limit = (unsigned __int128)(power == 2 ? value : value << 32) << 64;
    uint64_t root = 0;
    for (int bit = 35; bit >= 0; bit--) {
        uint64_t candidate = root | 1ull << bit;
        unsigned __int128 product = candidate;
        for (int i = 1; i < power; i++)
            product *= candidate;
        if (product <= limit)
            root = candidate;
    }
    return root;
}

static uint32_t sha_constants[64], sha_state[8];

static void sha256_start(void)
{
    int found = 0;
    for (uint64_t candidate = 2; found < 64; candidate++) {
        int prime = 1;
        for (uint64_t divisor = 2; divisor * divisor <= candidate; divisor++)
            prime &= candidate % divisor != 0;
        if (!prime)
            continue;
        if (found < 8)
            sha_state[found] = (uint32_t)integer_root(candidate, 2);
        sha_constants[found++] = (uint32_t)integer_root(candidate, 3);
    }
}

static uint32_t rotate(uint32_t value, int by) { return value >> by | value << (32 - by); }

static void sha256_block(const uint8_t *block)
{
    uint32_t words[64], s[8];
    for (int i = 0; i < 16; i++)
        words[i] = big_endian(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = words[i - 15], b = words[i - 2];
        words[i] = words[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + words[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    for (int i = 0; i < 8; i++)
        s[i] = sha_state[i];
    for (int i = 0; i < 64; i++) {
        uint32_t first = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6]))
                         + sha_constants[i] + words[i];
        uint32_t second = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        for (int j = 7; j > 0; j--)
            s[j] = s[j - 1];
        s[4] += first;
        s[0] = first + second;
    }
    for (int i = 0; i < 8; i++)
        sha_state[i] += s[i];
}

static uint32_t numbers[1000];

static void sort(uint32_t *first, int count)
{
    if (count < 2)
        return;
    uint32_t pivot = first[count / 2];
    int low = 0, high = count - 1;
    while (low <= high) {
        while (first[low] < pivot)
            low++;
        while (first[high] > pivot)
            high--;
        if (low <= high) {
            uint32_t swapped = first[low];
            first[low++] = first[high];
            first[high--] = swapped;
        }
    }
    sort(first, high + 1);
    sort(first + low, count - low);
}

static void compute(void)
{
    put_line("crc32 of 123456789: ", crc32((const uint8_t *)"123456789", 9), 8);
    uint8_t block[64];
    memset(block, 0, sizeof block);
    memcpy(block, "abc\x80", 4);
    block[63] = 24;
    sha256_start();
    sha256_block(block);
    put_text("sha256 of abc: ");
    for (int i = 0; i < 8; i++)
        put_hex(sha_state[i], 8);
    put_char('\n');
    uint32_t value = 1;
    for (int i = 0; i < 1000; i++) {
        value = value * 1664525u + 1013904223u;
        numbers[i] = value;
    }
    uint32_t sum = 0, sorted_sum = 0, in_order = 1;
    for (int i = 0; i < 1000; i++)
        sum += numbers[i];
    sort(numbers, 1000);
    for (int i = 0; i < 1000; i++) {
        sorted_sum += numbers[i];
        in_order &= i == 0 || numbers[i - 1] <= numbers[i];
    }
    put_line("1000 numbers in order: ", in_order, 1);
    put_line("none lost: ", sum == sorted_sum, 1);
    put_line("the smallest: ", numbers[0], 8);
    put_line("the largest: ", numbers[999], 8);
    put_line("gcd(2 ** 40 * 3 ** 9, 6 ** 12): ", ({
                 uint64_t a = (1ull << 40) * 19683, b = 2176782336ull;
                 while (b) {
                     uint64_t rest = a % b;
                     a = b;
                     b = rest;
                 }
                 a;
             }), 16);
}

void handle_synchronous(uint64_t syndrome, uint64_t *frame)
{
    if (syndrome >> 26 == 0x15) { /* SVC: the immediate says what to do with x0 */
        frame[0] = (syndrome & 0xffff) == 1 ? frame[0] + 1 : frame[0] * frame[0];
        return;
    }
    put_line("exception, syndrome ", syndrome, 8);
    frame[20] += 4; /* ELR: behind the instruction */
}

static uint64_t call(uint64_t value, int which)
{
    register uint64_t x0 __asm__("x0") = value;
    if (which == 1)
        __asm__ volatile("svc #1" : "+r"(x0) : : "memory");
    else
        __asm__ volatile("svc #2" : "+r"(x0) : : "memory");
    return x0;
}

void kernel_main(const uint8_t *device_tree)
{
    put_text("a kernel in C\n");
    read_device_tree(device_tree);
    compute();
    put_line("svc 1 of 41: ", call(0x41, 1), 4);
    put_line("svc 2 of 41: ", call(0x41, 2), 4);
    __asm__ volatile("brk #9");
    put_text("off\n");
}
