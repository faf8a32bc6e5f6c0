// A Verilated library that is loaded, and one instance of it.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "model.h"

// A wire of an instance: where its value lies, and in how many bytes.
struct Wire {
    void *data = nullptr;
    uint32_t width = 0;
    uint32_t bytes = 0;

    uint64_t get() const {
        switch (bytes) {
            case 1: return *static_cast<const uint8_t *>(data);
            case 2: return *static_cast<const uint16_t *>(data);
            case 4: return *static_cast<const uint32_t *>(data);
            default: return *static_cast<const uint64_t *>(data);
        }
    }

    void set(uint64_t value) const {
        switch (bytes) {
            case 1: *static_cast<uint8_t *>(data) = static_cast<uint8_t>(value); break;
            case 2: *static_cast<uint16_t *>(data) = static_cast<uint16_t>(value); break;
            case 4: *static_cast<uint32_t *>(data) = static_cast<uint32_t>(value); break;
            default: *static_cast<uint64_t *>(data) = value;
        }
    }
};

// Owns a `dlopen`ed library and an instance; both go when it goes.
class Library {
  public:
    Library(const std::string &path, int32_t seed, const std::string &waves) : path_(path) {
        handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!handle_) throw std::runtime_error(std::string("dlopen: ") + dlerror());
        auto create = reinterpret_cast<CreateModel>(dlsym(handle_, "create_model"));
        model_ = create ? create(seed, waves.empty() ? nullptr : waves.c_str()) : nullptr;
        if (!model_) {
            dlclose(handle_);
            throw std::runtime_error(path + " is no Verilated library of this simulator");
        }
        // Nobody drives the inputs yet.
        for (uint32_t i = 0; i < model_->port_count; ++i) {
            const Port &port = model_->ports[i];
            if (!port.is_output) std::memset(port.data, 0, bytes(port.width));
        }
    }

    ~Library() {
        model_->destroy(model_);
        dlclose(handle_);
    }

    Library(const Library &) = delete;
    Library &operator=(const Library &) = delete;

    void eval() { model_->eval(model_); }

    void dump(uint64_t time_ps) {
        if (model_->dump) model_->dump(model_, time_ps);
    }

    const StateRange *begin() const { return model_->state; }
    const StateRange *end() const { return model_->state + model_->state_count; }

    const Port *find(const std::string &name) const {
        for (uint32_t i = 0; i < model_->port_count; ++i)
            if (name == model_->ports[i].name) return &model_->ports[i];
        return nullptr;
    }

    Wire output(const std::string &name) const { return wire(name, 1); }
    Wire input(const std::string &name) const { return wire(name, 0); }

  private:
    Wire wire(const std::string &name, uint32_t is_output) const {
        const Port *port = find(name);
        const char *kind = is_output ? "output" : "input";
        if (!port || port->is_output != is_output)
            throw std::runtime_error(path_ + " has no " + kind + " " + name);
        if (port->width > 64)
            throw std::runtime_error(path_ + ": " + name + " is wider than 64 bits");
        return {port->data, port->width, bytes(port->width)};
    }

    static uint32_t bytes(uint32_t width) {
        if (width > 64) return (width + 31) / 32 * 4;
        return width <= 8 ? 1 : width <= 16 ? 2 : width <= 32 ? 4 : 8;
    }

    std::string path_;
    void *handle_;
    Model *model_;
};
